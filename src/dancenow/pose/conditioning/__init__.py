"""From keypoints to what a generator sees: pose maps and stick figures, drawn on the device."""
