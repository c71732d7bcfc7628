"""The recipe of the classifier in `src/dancenow/assets/forensic.safetensors`: run it again and one as good comes out.

    python benchmarks/train_forensic.py make [NAME...]     the clips, one person after the other (kept in the cache)
    python benchmarks/train_forensic.py train [-o FILE]    the classifier, then those that tell what it owes to what
    python benchmarks/train_forensic.py calibrate          trained ones anew, which `train` does, too
    python benchmarks/train_forensic.py measure            all of them on the test clips, into benchmarks/

Needs the `studio` extra. Each step can be interrupted, and goes on when it is started again.
"""

import argparse
from pathlib import Path

from dancenow.assets import FORENSIC
from dancenow.bench.forensics import VARIANTS, measure, recalibrate, train_variant
from dancenow.bench.suspects import chosen, material, suspects


def main() -> None:
    """One step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("make").add_argument("names", nargs="*")
    train = steps.add_parser("train")
    train.add_argument("variants", nargs="*", default=list(VARIANTS))
    train.add_argument("-o", "--out", type=Path, default=FORENSIC)
    calibrate = steps.add_parser("calibrate")
    calibrate.add_argument("variants", nargs="*", default=list(VARIANTS))
    parsed = steps.add_parser("measure")
    parsed.add_argument("-o", "--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    if options.step == "make":
        for suspect in chosen(suspects(), options.names):
            print(material(suspect), flush=True)
    elif options.step == "train":
        for name in options.variants:
            print(train_variant(name, options.out), flush=True)
    elif options.step == "calibrate":
        for name in options.variants:
            print(recalibrate(name, FORENSIC), flush=True)
    else:
        print(measure(options.out, FORENSIC), flush=True)


if __name__ == "__main__":
    main()
