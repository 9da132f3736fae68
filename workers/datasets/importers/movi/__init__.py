"""MOVi / Kubric: examples of TFDS, and the folders that the exporter `movi` writes."""
