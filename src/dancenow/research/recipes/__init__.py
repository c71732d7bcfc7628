"""Recipes that train the shipped weights, and the tasks and datasets that only they need."""
