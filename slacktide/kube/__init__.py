"""The only door to an API server: lists, watches, writes and leases, with nothing above them.

    connection --> client --> listing + watching --> reflector --> cache (what is there now)
         |
         '------> lanes ----> writing (bounded, idempotent, fenced) <-- lease

Both go over `wire`: HTTP/1.1 on llhttp, since a list of a hundred thousand pods and thousands of
short writes would spend most of their time in layers above it.

Objects are decoded by msgspec into the fields that slacktide uses (`objects`): one list and one
watch for each resource of a process, whoever needs it.
"""
