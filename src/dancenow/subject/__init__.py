"""The target person's footage: preparing, checking and opening subject folders, background and coverage."""
