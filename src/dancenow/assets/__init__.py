"""What comes with the package: two rendered dancers (`dancenow studio --demo-assets` makes them again) and small networks.

`transformer.safetensors` is the spatial transformer's base model; `base.safetensors` and `face_base.safetensors` are the
generator and the face network that a person's training starts from; `corrector.safetensors` takes a detector's habits off its
tracks; `forensic.safetensors` is what `dancenow detect` judges with; the `.md` beside each says how it was made.
"""

from pathlib import Path
from typing import Final

_HERE = Path(__file__).parent
SOURCE: Final = _HERE / "dancer_source.mp4"
TARGET: Final = _HERE / "dancer_target.mp4"
TRANSFORMER: Final = _HERE / "transformer.safetensors"
BASE: Final = _HERE / "base.safetensors"
FORENSIC: Final = _HERE / "forensic.safetensors"
CORRECTOR: Final = _HERE / "corrector.safetensors"
FACE_BASE: Final = _HERE / "face_base.safetensors"
