"""The gateway: accepts requests, stores them as jobs, and delivers progress and results."""
