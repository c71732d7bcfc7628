"""How the camera of a video moved, and the fixed view that its people and background are measured in."""
