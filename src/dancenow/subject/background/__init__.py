"""The background of a scene: a still plate without the person and its shadow."""
