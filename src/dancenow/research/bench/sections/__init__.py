"""The sections of docs/benchmarks.md: text and tables for each benchmark's result."""
