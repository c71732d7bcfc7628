"""The sections of docs/benchmarks.md: what each bench's result says in words and tables."""
