"""Engines with an environment of their own: a long-lived child process, spoken to over pipes."""
