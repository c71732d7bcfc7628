"""The card: a datasheet with numbers from the data, and Croissant that MLCommons' library accepts and reads."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dancenow.cli import main as cli
from dancenow.provenance.consent import consent
from dancenow.subject.subject import Subject, record_consent

READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlcroissant
dataset = mlcroissant.Dataset(sys.argv[1])
rows = [{name.split("/")[-1]: value for name, value in row.items()} for row in dataset.records("clips")]
plain = [{name: value.decode() if isinstance(value, bytes) else str(value) for name, value in row.items()} for row in rows]
issues = dataset.metadata.ctx.issues
print(json.dumps([plain, sorted(issues.errors), sorted(issues.warnings)]))
"""
"""Runs in its own process: imports of mlcroissant emit warnings, and warnings are errors here."""


def read_croissant(path: Path) -> tuple[list[dict[str, str]], list[str], list[str]]:
    run = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False, cwd=path.parent)
    assert run.returncode == 0, run.stderr[-3000:]
    rows, errors, warnings = json.loads(run.stdout.splitlines()[-1])
    return rows, errors, warnings


@pytest.mark.slow
@pytest.mark.parametrize("packed", [True, False])
def test_mlcroissant_accepts_and_reads_it(packed: bool, shards: Path, drawn_dataset: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shards if packed else drawn_dataset, tmp_path / "dataset")
    if not packed:
        cli.main(["dataset", "card", str(folder), "--url", "https://example.org/dancers"])
    rows, errors, warnings = read_croissant(folder / "croissant.json")
    assert errors == []
    assert len(rows) == 12
    assert rows[0]["key"] == "id0000-dance0000"
    assert rows[0]["frames"] == "48"
    assert {row["part_person"] for row in rows} == {"train", "val", "test"}
    assert bool(rows[0]["shard"].endswith(".tar")) == packed
    # Only the publisher knows when and where.
    assert all("datePublished" in warning or "url" in warning for warning in warnings), warnings


def test_the_datasheet_answers_from_the_data(shards: Path) -> None:
    text = (shards / "README.md").read_text("utf-8")
    for section in ("Motivation", "Composition", "Collection and consent", "Splits", "Uses and limits", "Distribution"):
        assert f"## {section}\n" in text
    assert "12 clips of 4 people: 576 frames, 24 s" in text
    assert "| both | 2 | 1 | 1 | 8 |" in text
    assert "seed 2" in text
    assert "CC0-1.0" in text
    assert text.count("\n| id000") == 4


def test_croissant_names_every_shard_by_its_hash(shards: Path) -> None:
    held = json.loads((shards / "croissant.json").read_text("utf-8"))
    assert held["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert held["license"] == "https://creativecommons.org/publicdomain/zero/1.0/"
    sums = dict(line.split("  ")[::-1] for line in (shards / "SHA256SUMS").read_text().splitlines())
    files = [each for each in held["distribution"] if each["@type"] == "cr:FileObject"]
    assert {each["name"] for each in files} == {"clips.csv", *(path.name for path in shards.glob("*.tar"))}
    assert all(sums[each["name"]] == each["sha256"] for each in files)


def test_a_card_of_subjects_says_who_agreed_to_what(drawn_subject: Subject, tmp_path: Path) -> None:
    shutil.copytree(drawn_subject.folder, tmp_path / "subjects" / "ada")
    record_consent(tmp_path / "subjects" / "ada", consent("licensed", person="Ada L.", licence="CC-BY-4.0", given="2026-03-31"))
    cli.main(["dataset", "card", str(tmp_path / "subjects"), "-o", str(tmp_path / "card")])
    text = (tmp_path / "card" / "README.md").read_text("utf-8")
    assert "| ada | licensed: Ada L. | whatever the licence allows | 2026-03-31 | CC-BY-4.0 |" in text
    assert "Yes: by face and body" in text
    assert json.loads((tmp_path / "card" / "croissant.json").read_text())["license"] == "CC-BY-4.0"
