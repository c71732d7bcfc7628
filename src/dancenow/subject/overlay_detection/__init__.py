"""Find the overlays of a video: bars and borders, still graphics, and small changing ones."""
