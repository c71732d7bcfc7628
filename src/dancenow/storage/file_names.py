"""File names as text: a name may hold any bytes, while titles, pages and metadata are Unicode."""


def as_text(name: str) -> str:
    """A name for people to read, in which every byte that is no text is a question mark."""
    return name.encode("utf-8", "replace").decode("utf-8")
