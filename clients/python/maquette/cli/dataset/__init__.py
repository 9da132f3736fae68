"""`maquette dataset`: make datasets, and look after them."""

from maquette.cli.dataset.app import dataset_app

__all__ = ["dataset_app"]
