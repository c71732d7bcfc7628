"""dancenow: the person in one video dances what the dancer in another video dances."""

__version__ = "0.1.0"
