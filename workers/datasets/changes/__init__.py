"""Change data: pairs of frames with what is different between them, measured from the record."""
