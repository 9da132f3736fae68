"""Hands jobs to workers: the queue carries job ids only, the ledger has the state of every job."""
