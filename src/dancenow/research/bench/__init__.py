"""Measurements that can be repeated: every figure in BENCHMARKS.md comes from a JSON file that `dancenow bench` wrote."""
