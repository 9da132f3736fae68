"""The command line: every kind of job, on files and globs."""

from maquette.cli.main import main

__all__ = ["main"]
