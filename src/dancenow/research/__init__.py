"""Research code: synthetic dancers, datasets, benchmarks, training of shipped weights. The product never imports it."""
