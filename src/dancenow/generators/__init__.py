"""Generator families: each is a folder with its configuration, dataset, training task and renderer."""
