"""What outlives a process: the ledger of jobs, the artefacts, and the queue that wakes workers."""
