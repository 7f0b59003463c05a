"""Questions asked once, and benchmarks; may import everything, imported by nothing."""
