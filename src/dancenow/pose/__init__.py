"""Body pose: detection, smoothing, normalization, drawing."""
