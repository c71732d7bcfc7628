"""`dancenow detect`: where a video comes from, as far as it says so itself, and whether the person in it looks synthesized.

Reads and verifies the Content Credentials and looks for the invisible mark (`dancenow.provenance.content_marking`), then
asks the classifier
(`dancenow.provenance.forensics.detector`). With `--train` it makes another classifier of one's own videos
(`dancenow.research.forensics.finetuning`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from dancenow.errors import OptionError, OutputError, UserError


def detect(
    video: tyro.conf.Positional[Path | None] = None,
    json: Path | None = None,
    heatmap: Path | None = None,
    weights: Path | None = None,
    person: int | None = None,
    classify: bool = True,
    train: tuple[Path, Path] | None = None,
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    budget: str = "10m",
    seed: int = 0,
) -> None:
    """Say where VIDEO comes from: its Content Credentials, dancenow's invisible mark, and whether the person looks synthesized.

    The first two are proof where they are found; the classifier is an opinion, and can be wrong. A video without any sign may
    still be synthetic: credentials are lost by re-encoding, and other tools leave other marks.

    Args:
        video: any video file.
        json: also write what was found to this file.
        heatmap: a .png to write: frames with red where the person looks synthesized, blue where real.
        weights: another classifier than the shipped one, made with --train.
        person: whom to judge where several are in the video, counted from 1.
        classify: --no-classify reads credentials and mark alone.
        train: two folders, of real and of synthetic videos: train a classifier on them instead, and write it to --out.
        out: with --train, the .safetensors to write.
        budget: with --train, how long to train: 10m, 1h, or 20000images.
        seed: with --train, of everything random.
    """
    if train is not None:
        _train(train, video, out, budget, seed)
    elif video is None:
        raise OptionError("give a video, or --train REAL_DIR SYNTHETIC_DIR -o WEIGHTS.safetensors.")
    elif out is not None:
        raise OptionError("--out is where --train writes its weights; the findings go to --json, the picture to --heatmap.")
    else:
        _detect(video, json, heatmap, weights, person, classify)


def _train(folders: tuple[Path, Path], video: Path | None, out: Path | None, budget: str, seed: int) -> None:
    from dancenow.cli.console import live, report
    from dancenow.research.forensics.finetuning import train_on_folders
    from dancenow.training.budget import Budget

    if video is not None:
        raise OptionError(f"with --train two folders are looked at, not {video}; judge it afterwards with --weights.")
    if out is None:
        raise OptionError("say where the weights should go: -o WEIGHTS.safetensors.")
    with live() as on_progress:
        trained = train_on_folders(*folders, out, budget=Budget.parse(budget), seed=seed, on_progress=on_progress)
    if trained.accuracy is not None:
        said = f"{trained.accuracy:.0%} of the clips that were kept apart are told rightly."
        report(trained.weights, *trained.notes, said)
    else:
        report(trained.weights, *trained.notes)


def _detect(
    video: Path, json: Path | None, heatmap: Path | None, weights: Path | None, person: int | None, classify: bool
) -> None:
    from dancenow.cli.console import console, live
    from dancenow.provenance.content_marking import read_marks
    from dancenow.storage.atomic_io import require_writable

    for path, suffix in ((json, ""), (heatmap, ".png")):
        if path is not None:
            _require_another(path, video, weights)
            require_writable(path, suffix)
    if json is not None and heatmap is not None and json.resolve() == heatmap.resolve():
        raise OutputError("--json and --heatmap name the same file.")
    if not classify and heatmap is not None:
        raise OptionError("without the classifier there is no heatmap; leave out --no-classify.")

    def say(sentences: Sequence[str]) -> None:
        for sentence in sentences:
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    if weights is not None:
        from dancenow.provenance.forensics.classifier import load_forensic

        load_forensic(weights)  # damaged weights are said before anything is looked at
    with live() as on_progress:
        marks = read_marks(video, on_progress)
    say(marks.sentences())
    found = marks.to_json()
    if classify:
        from dancenow.provenance.forensics.detector import examine

        try:
            with live() as on_progress:
                finding = examine(video, weights, person=person, heatmap=heatmap, on_progress=on_progress)
        except UserError as error:
            # The marks are worth having all the same.
            _write_json(json, {**found, "classifier": {"verdict": "none", "why": str(error)}})
            raise
        say(finding.sentences())
        found["classifier"] = finding.to_json()
    _write_json(json, found)
    if heatmap is not None:
        say([str(heatmap)])


def _require_another(path: Path, *inputs: Path | None) -> None:
    for each in inputs:
        if each is not None and path.resolve() == each.resolve():
            raise OutputError(f"{path} is an input; give what is written another name.")


def _write_json(path: Path | None, found: object) -> None:
    from json import dumps

    from dancenow.storage.atomic_io import complete_or_absent

    if path is not None:
        with complete_or_absent(path) as temporary:
            temporary.write_text(dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
