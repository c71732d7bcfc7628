"""`dancenow detect`: report the origin of a video and whether the person in it looks synthesized.

Reads and verifies the Content Credentials and the watermark (`dancenow.provenance.content_marking`), then runs the classifier
(`dancenow.provenance.forensics.detector`). With `--train` it trains a classifier on the user's videos
(`dancenow.research.forensics.finetuning`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from dancenow.cli.options import Flag, Maybe, MaybeOut
from dancenow.errors import OptionError, OutputError, UserError

if TYPE_CHECKING:
    from dancenow.media.source import VideoSource


def detect(
    video: tyro.conf.Positional[Maybe[Path]] = None,
    json: Maybe[Path] = None,
    heatmap: Maybe[Path] = None,
    weights: Maybe[Path] = None,
    person: Maybe[int] = None,
    everyone: Flag = False,
    classify: Flag = True,
    train: Maybe[tuple[Path, Path]] = None,
    out: MaybeOut = None,
    budget: str = "10m",
    seed: int = 0,
) -> None:
    """Report where VIDEO comes from and whether the person looks synthesized.

    - Content Credentials and the invisible watermark are proof if present.
    - The classifier is an estimate and can be wrong.
    - A video without any sign may still be synthetic: re-encoding loses
      credentials, and other tools leave other marks.

    Args:
        video: Any video file.
        json: Also write the findings to this file.
        heatmap: Also write frames with a heatmap to this .png file.
            Red looks synthesized, blue looks real.
        weights: Another classifier, made with --train.
        person: Person to classify, counted from 1.
        everyone: Classify every person; `dancenow pose --people` shows
            their numbers.
        classify: Read credentials and watermark only.
        train: Two folders, of real and of synthetic videos.
            Train a classifier on them and write it to --out.
        out: With --train, the .safetensors file to write.
        budget: With --train, the training time: 10m, 1h, 20000images.
        seed: With --train, the random seed.
    """
    if train is not None:
        _train(train, video, out, budget, seed)
    elif video is None:
        raise OptionError("give a video, or --train REAL_DIR SYNTHETIC_DIR -o WEIGHTS.safetensors.")
    elif out is not None:
        raise OptionError("--out is the output of --train; write the findings with --json and the heatmap with --heatmap.")
    else:
        _detect(video, json, heatmap, weights, person, everyone, classify)


def _train(folders: tuple[Path, Path], video: Path | None, out: Path | None, budget: str, seed: int) -> None:
    from dancenow.cli.console import live, report
    from dancenow.research.forensics.finetuning import train_on_folders
    from dancenow.training.budget import Budget

    if video is not None:
        raise OptionError(f"--train takes two folders and not the video {video}; classify the video afterwards with --weights.")
    if out is None:
        raise OptionError("give the output file of --train: -o WEIGHTS.safetensors.")
    with live() as on_progress:
        trained = train_on_folders(*folders, out, budget=Budget.parse(budget), seed=seed, on_progress=on_progress)
    if trained.accuracy is not None:
        note = f"{trained.accuracy:.0%} of the held-out clips are classified correctly."
        report(trained.weights, *trained.notes, note)
    else:
        report(trained.weights, *trained.notes)


def _detect(
    video: Path,
    json: Path | None,
    heatmap: Path | None,
    weights: Path | None,
    person: int | None,
    everyone: bool,
    classify: bool,
) -> None:
    from dancenow.cli.console import console, live
    from dancenow.media.source import open_video
    from dancenow.provenance.content_marking import read_provenance
    from dancenow.storage.atomic_io import require_writable

    for path, suffix in ((json, ""), (heatmap, ".png")):
        if path is not None:
            _require_not_input(path, video, weights)
            require_writable(path, suffix)
    if json is not None and heatmap is not None and json.resolve() == heatmap.resolve():
        raise OutputError("--json and --heatmap name the same file; give two names.")
    if not classify and heatmap is not None:
        raise OptionError("--heatmap needs the classifier; leave out --no-classify.")
    if everyone and (person is not None or heatmap is not None or not classify):
        raise OptionError("--everyone classifies each person; leave out --person, --heatmap and --no-classify.")

    def print_lines(sentences: Sequence[str]) -> None:
        for sentence in sentences:
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    if weights is not None:
        from dancenow.provenance.forensics.classifier import load_classifier

        load_classifier(weights)  # report damaged weights before the long work
    with live() as on_progress:
        source = open_video(video)
        provenance = read_provenance(source, on_progress)
    print_lines(provenance.sentences())
    found = provenance.to_json()
    if classify:
        try:
            if everyone:
                sentences, result = _classify_everyone(source, weights)
            else:
                sentences, result = _classify(source, weights, person, heatmap)
        except UserError as error:
            # Credentials and watermark are useful without the classifier.
            _write_json(json, {**found, "classifier": {"verdict": "none", "why": str(error)}})
            raise
        print_lines(sentences)
        found |= result
    _write_json(json, found)
    if heatmap is not None:
        print_lines([str(heatmap)])


def _classify(
    source: "VideoSource", weights: Path | None, person: int | None, heatmap: Path | None
) -> tuple[Sequence[str], dict[str, object]]:
    """Sentences and JSON values about one person."""
    from dancenow.cli.console import live
    from dancenow.provenance.forensics.detector import classify_video

    with live() as on_progress:
        finding = classify_video(source, weights, person=person, heatmap=heatmap, on_progress=on_progress)
    return finding.sentences(), {"classifier": finding.to_json()}


def _classify_everyone(source: "VideoSource", weights: Path | None) -> tuple[Sequence[str], dict[str, object]]:
    """Sentences and JSON values about everybody; `classifier` is the person who looks most synthesized."""
    from dancenow.cli.console import live
    from dancenow.provenance.forensics.everyone import classify_everyone, summary

    with live() as on_progress:
        people = classify_everyone(source, weights, on_progress=on_progress)
    worst = max(people, key=lambda each: -1.0 if each.finding is None else each.finding.probability)
    sentences = [summary(people), *(sentence for each in people for sentence in each.sentences())]
    sentences.append(next(each.finding.caution() for each in people if each.finding is not None))
    return sentences, {"classifier": worst.to_json(), "people": [each.to_json() for each in people]}


def _require_not_input(path: Path, *inputs: Path | None) -> None:
    for each in inputs:
        if each is not None and path.resolve() == each.resolve():
            raise OutputError(f"{path} is an input; choose another output name.")


def _write_json(path: Path | None, found: object) -> None:
    from json import dumps

    from dancenow.storage.atomic_io import complete_or_absent

    if path is not None:
        with complete_or_absent(path) as temporary:
            temporary.write_text(dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
