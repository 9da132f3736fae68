"""Waking the workers: the queue carries job ids, the ledger keeps the truth."""
