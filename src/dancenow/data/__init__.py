"""Subjects: what is known of a target person, and the clips that training draws from it."""
