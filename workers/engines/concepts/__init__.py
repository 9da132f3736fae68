"""Engines that find, cut out and follow things in images and video."""
