"""The crop family: generates color and alpha in a square that follows the person, composited over the background."""
