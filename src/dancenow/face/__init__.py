"""The dancer's face: where it is, what it does, and how it is put back into a picture."""
