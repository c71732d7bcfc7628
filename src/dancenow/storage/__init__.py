"""Files on disk: atomic writes, the cache, checkpoints and pretrained weights."""
