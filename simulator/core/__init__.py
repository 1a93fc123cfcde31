"""Pure: the contention model, the peers' policies, the trace generator, the reports."""
