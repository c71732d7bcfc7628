"""Models that contain pictures of the person they show: what is said where such a model is made."""

from typing import Final

from dancenow.storage.checkpoint import CheckpointInfo

PICTURES_KEY: Final = "stored_pictures"
"""Key under `CheckpointInfo.subject`: how many pictures of the person a model contains."""


def stored_pictures_note(info: CheckpointInfo) -> str | None:
    """One sentence about the pictures in a model; None if it has none.

    Consent and its withdrawal apply to them as to the weights, because they are part of the same file.
    """
    count = info.subject.get(PICTURES_KEY, 0)
    if not count:
        return None
    pictures = "a picture" if count == 1 else f"{count} pictures"
    return f"The model contains {pictures} of the person; keep and share it only as you would the footage itself."
