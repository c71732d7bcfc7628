"""`dancenow detect`: report the origin of a video and whether the person in it looks synthesized.

Reads and verifies the Content Credentials and the watermark (`dancenow.provenance.content_marking`), then runs the classifier
(`dancenow.provenance.forensics.detector`). With `--train` it trains a classifier on the user's videos
(`dancenow.research.forensics.finetuning`).
"""

from collections.abc import Sequence
from pathlib import Path

import tyro

from dancenow.cli.options import Flag, Maybe, MaybeOut
from dancenow.errors import OptionError, OutputError, UserError


def detect(
    video: tyro.conf.Positional[Maybe[Path]] = None,
    json: Maybe[Path] = None,
    heatmap: Maybe[Path] = None,
    weights: Maybe[Path] = None,
    person: Maybe[int] = None,
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
        _detect(video, json, heatmap, weights, person, classify)


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
    video: Path, json: Path | None, heatmap: Path | None, weights: Path | None, person: int | None, classify: bool
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
        from dancenow.provenance.forensics.detector import classify_video

        try:
            with live() as on_progress:
                finding = classify_video(source, weights, person=person, heatmap=heatmap, on_progress=on_progress)
        except UserError as error:
            # Credentials and watermark are useful without the classifier.
            _write_json(json, {**found, "classifier": {"verdict": "none", "why": str(error)}})
            raise
        print_lines(finding.sentences())
        found["classifier"] = finding.to_json()
    _write_json(json, found)
    if heatmap is not None:
        print_lines([str(heatmap)])


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
