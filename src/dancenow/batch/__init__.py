"""Many transfers on many workers: jobs, their plan, the storage of results, the workers, the summary."""
