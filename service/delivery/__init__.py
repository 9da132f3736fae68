"""What goes back to the client: jobs, events and artefacts."""
