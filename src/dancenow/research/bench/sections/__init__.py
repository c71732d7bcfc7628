"""The sections of BENCHMARKS.md: what each bench's result says in words and tables."""
