"""What several exporters share: encodings, categories, image transforms, action columns, file writers."""
