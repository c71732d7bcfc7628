"""Files of the package: two example clips (`dancenow studio --demo-assets` renders them) and small networks.

`transformer.safetensors` is the base model of the spatial transformer; `base.safetensors` and `face_base.safetensors` are the
pretrained initial weights of the generator and the residual face network; `corrector.safetensors` corrects the bias of the pose
detector; `forensic.safetensors` is the classifier of `dancenow detect`. The `.md` file next to each is its model card.
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
REFERENCES_BASE: Final = _HERE / "references_base.safetensors"
"""Initial weights of the references family; not in the package as long as none are good enough."""
FACE_BASE: Final = _HERE / "face_base.safetensors"
