"""What comes with the package: two rendered people (`dancenow studio --demo-assets` renders them again) and small networks.

`base.safetensors` and `face_base.safetensors` are pretrained weights of the generator and of the face network;
`transformer.safetensors` is the spatial transformer; `corrector.safetensors` removes systematic errors of the pose detector;
`forensic.safetensors` is the forgery classifier. The `.md` file beside each is its model card.
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
