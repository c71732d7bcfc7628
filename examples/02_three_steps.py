"""Prepare, train and transfer in three steps, to use one model for several dances.

Usage: python 02_three_steps.py BUDGET TARGET FOLDER SOURCE...
"""

import sys
from pathlib import Path

from dancenow import prepare, train, transfer
from dancenow.provenance.consent import consent

budget = sys.argv[1]
target, folder, *sources = (Path(argument) for argument in sys.argv[2:])
subject = prepare(target, folder / "subject", consent=consent("self"))
print(*subject.manifest.warnings, sep="\n")
model = train(folder / "subject", folder / "model.safetensors", budget=budget)
for source in sources:
    print(transfer(source, model, folder / f"{source.stem}.mp4").video)
