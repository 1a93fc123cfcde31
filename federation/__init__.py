"""Quotas, placement, lending and failover over many clusters."""
