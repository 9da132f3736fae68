"""Engines that need an environment of their own: a long-lived child process behind a pair of pipes."""
