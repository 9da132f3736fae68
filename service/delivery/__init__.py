"""What clients receive: jobs, events and artefacts."""
