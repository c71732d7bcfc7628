"""Transfer a dance from one video to another in one call; TARGET shows yourself.

Usage: python 01_two_videos.py SOURCE TARGET OUT.mp4 [BUDGET]
"""

import sys
from pathlib import Path

from dancenow import run
from dancenow.provenance.consent import consent

source, target, out = (Path(argument) for argument in sys.argv[1:4])
budget = sys.argv[4] if len(sys.argv) > 4 else "10m"
result = run(source, target, out, budget=budget, consent=consent("self"))
print(result.transfer.normalization, *result.transfer.notes, *result.warnings, sep="\n")
