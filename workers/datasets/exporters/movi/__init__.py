"""MOVi / Kubric: its features as folders of NumPy arrays, and as TensorFlow Datasets keeps them."""
