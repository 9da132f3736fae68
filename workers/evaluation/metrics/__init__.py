"""The metrics of the benchmarks, from arrays and plain records."""
