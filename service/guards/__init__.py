"""What a request must pass before it becomes a job."""
