"""Following one person through a video, and finding the same person again after a loss."""
