"""The only door to an API server: lists, watches, writes and leases, with nothing above them.

    connection --> client --> listing + watching --> reflector --> cache (what is there now)
                      |                                               |
                      '------> writing (bounded, idempotent, fenced) <- lease

Objects are decoded by msgspec into the fields that slacktide uses (`objects`): one list and one
watch for each resource of a process, whoever needs it.
"""
