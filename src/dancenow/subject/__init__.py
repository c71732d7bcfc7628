"""The target: footage prepared for training, its quality, its background, and what a model keeps of it."""
