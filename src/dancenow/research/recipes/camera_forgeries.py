"""False alarms of the forgery classifier on clips of filmed people, and how many forgeries of the same clips it finds.

Usage: python -m dancenow.research.recipes.camera_forgeries OUT.json CLIPS SUBJECTS WORK [--weights FILE ...] [--forged FOLDER]

CLIPS is a folder of videos and SUBJECTS one of prepared subjects, a folder for each clip, named like it. The person of each
subject is forged in WORK: a model is trained for 60 images and repeats two seconds of the clip. What is there already is used
again. The clips are only measured: OUT.json holds numbers. Several weights are compared on the same samples. With --forged,
the videos of a folder are measured, too, as forgeries that were made in another way.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow import pipeline
from dancenow.assets import FORENSIC
from dancenow.errors import UserError
from dancenow.media.source import open_video
from dancenow.provenance.forensics.classifier import ForensicClassifier, load_classifier
from dancenow.provenance.forensics.detector import MIN_FPS, score_images, verdict
from dancenow.provenance.forensics.reasons import Evidence
from dancenow.provenance.forensics.samples import body_fraction, plan_samples, read_samples
from dancenow.research.bench.forensics import auc
from dancenow.research.bench.results import machine, today, versions
from dancenow.research.forensics.finetuning import VIDEO_SUFFIXES
from dancenow.storage.atomic_io import complete_or_absent

OTHER: Final = "other"
"""Preset of forgeries that were made in another way."""
PRESETS: Final = ("draft", "draft-fast")
BUDGET: Final = "60images"
FRAMES: Final = (20, 80)
"""Frames of the clip that the forgery repeats."""
_BATCH: Final = 8


def forge(clip: Path, subject: Path, preset: str, work: Path) -> Path:
    """The person of a clip repeats a part of it.

    Raises:
        UserError: as `pipeline.train` and `pipeline.transfer`.
    """
    out, model = work / f"{clip.stem}-{preset}.mp4", work / f"{clip.stem}-{preset}.safetensors"
    if not out.is_file():
        if not model.is_file():
            pipeline.train(subject, model, preset=preset, budget=BUDGET, face="none")
        pipeline.transfer(clip, model, out, frames=FRAMES)
    return out


def classify(video: Path, classifiers: Mapping[str, ForensicClassifier]) -> dict[str, Any]:
    """A video's probability, verdict and evidence by each classifier.

    Raises:
        UserError: nobody in the video can be judged.
    """
    samples = list(read_samples(plan_samples(video), 224))
    images, bodies = np.stack([each.images for each in samples]), np.stack([each.body for each in samples])
    fraction, fps = float(np.mean([body_fraction(body) for body in bodies])), float(open_video(video).info.fps)
    record: dict[str, Any] = {"fps": round(fps, 2), "samples": len(samples)}
    for name, classifier in classifiers.items():
        parts = [
            score_images(classifier, images[i : i + _BATCH], bodies[i : i + _BATCH]) for i in range(0, len(images), _BATCH)
        ]
        score = float(np.concatenate([scores for _, scores in parts]).mean())
        logits = np.concatenate([patches for patches, _ in parts])
        evidence = Evidence.mean([Evidence.measure(*each) for each in zip(logits, images, bodies, strict=True)])
        probability = classifier.calibration.for_body_fraction(fraction).probability(score)
        said = "undecided" if fps < MIN_FPS else verdict(probability)
        record[name] = {"score": round(score, 3), "probability": round(probability, 4), "verdict": said}
        record[name]["evidence"] = evidence.to_json()
    return record


def summarize(records: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """How often each verdict was given for real and for forged clips, and the AUC of the scores."""
    table: dict[str, Any] = {}
    for kind in ("real", "forged"):
        verdicts = [record[name]["verdict"] for record in records if record["kind"] == kind and name in record]
        table[kind] = {each: verdicts.count(each) for each in ("real", "undecided", "synthesized")}
    of = {
        kind: np.array([record[name]["score"] for record in records if record["kind"] == kind and name in record])
        for kind in ("real", "forged")
    }
    return {**table, "auc": auc(of["real"], of["forged"])}


def videos_to_judge(options: argparse.Namespace) -> Iterator[tuple[Path, str, str, Path]]:
    """Clip, kind, preset and video of everything to judge."""
    for clip in sorted(path for path in options.clips.iterdir() if path.suffix in VIDEO_SUFFIXES):
        yield clip, "real", "", clip
        for preset in PRESETS:
            made = options.work / f"{clip.stem}-{preset}.mp4"
            if made.is_file() or (not options.only_made and (options.subjects / clip.stem).is_dir()):
                yield clip, "forged", preset, made
    if options.forged is not None:
        for video in sorted(path for path in options.forged.iterdir() if path.suffix in VIDEO_SUFFIXES):
            yield video, "forged", OTHER, video


def main() -> None:
    """Forge, classify, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("out", "clips", "subjects", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--weights", type=Path, nargs="*", default=[FORENSIC])
    parser.add_argument("--only-made", action="store_true", help="make no further forgery")
    parser.add_argument("--forged", type=Path, help="folder of further forgeries")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    classifiers = {path.stem: load_classifier(path) for path in options.weights}
    records: list[dict[str, Any]] = []
    for clip, kind, preset, video in videos_to_judge(options):
        record: dict[str, Any] = {"clip": video.stem if preset == OTHER else clip.stem, "kind": kind, "preset": preset}
        try:
            if kind == "forged" and preset != OTHER:
                forge(clip, options.subjects / clip.stem, preset, options.work)
            record |= classify(video, classifiers)
        except UserError as error:
            record["error"] = type(error).__name__
        records.append(record)
        print(record, flush=True)
    result = {
        "what": "Clips of filmed people, never learned from, and forgeries of them",
        "date": today(), "machine": machine(), "versions": versions(), "budget": BUDGET, "frames": FRAMES,
        "summary": {name: summarize(records, name) for name in classifiers}, "records": records,
    }  # fmt: skip
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
