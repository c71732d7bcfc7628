"""Live: a camera or a video at real-time speed in, the person of a model out, as a stream on this machine."""
