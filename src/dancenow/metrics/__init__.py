"""Quality metrics: pure functions on frames, keypoints and features, each with its formula, range and source.

numpy and OpenCV only; the distance between deep features is `dancenow.metrics.perceptual`.
"""
