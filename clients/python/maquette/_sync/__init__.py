# Generated from maquette/_async/__init__.py by scripts/generate_sync.py: do not edit.
"""The client: `_async` is written by hand, `_sync` is generated from it by `make generate`."""
