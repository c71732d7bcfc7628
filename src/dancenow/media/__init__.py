"""Video files in and out, one frame at a time: containers, pixel formats, audio."""
