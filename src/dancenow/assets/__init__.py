"""The two rendered dancers that come with the package: `dancenow studio --demo-assets` makes them again."""

from pathlib import Path
from typing import Final

_HERE = Path(__file__).parent
SOURCE: Final = _HERE / "dancer_source.mp4"
TARGET: Final = _HERE / "dancer_target.mp4"
