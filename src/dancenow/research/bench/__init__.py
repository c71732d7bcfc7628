"""Measurements that can be repeated: every figure in docs/benchmarks.md comes from a JSON file that `dancenow bench` wrote."""
