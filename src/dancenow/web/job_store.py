"""The jobs of the web page on disk: a folder per job in one data folder, every file written completely or not at all.

    DATA/jobs/NUMBER/   job.json (written by the server)  progress.json, check.json, outcome.json (by the job's process)
                        source.*, target.*, target2.* ... (uploads)       pictures, result, report, models
    DATA/uploads/       what is being uploaded

Names of folders and files are the program's own; nothing that a user sends becomes part of a path.
"""

import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dancenow.errors import InputError
from dancenow.storage.atomic_io import complete_or_absent, sha256_of
from dancenow.web.job import Job, label_of
from dancenow.web.job_dancers import Dancer, free_file_number, stem_of

SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".3gp", ".wmv")
"""Endings of videos that a copy keeps; any other becomes `.video`, and what it is, its content decides."""
_NUMBER: Final = re.compile(r"[0-9a-f]{32}")
_PUBLIC: Final = re.compile(r"[a-z_]+[1-6]?(_[a-z]+)?\.(mp4|m4v|mov|mkv|webm|avi|jpg|png|html|safetensors|zip)")
"""Files of a job that its owner may fetch. None begins with a dot or holds a slash."""


@dataclass(frozen=True)
class JobStore:
    """The jobs in a data folder. Every method that takes an owner gives and changes the jobs of this owner alone."""

    data: Path

    @property
    def uploads(self) -> Path:
        """Where uploads arrive."""
        return self.data / "uploads"

    def add(
        self,
        owner: str,
        source: Path,
        target: Path | None,
        labels: tuple[str, str],
        model_of: str = "",
        model_name: str = "model.safetensors",
    ) -> Job:
        """Create a job of uploaded files, which are moved into its folder.

        labels: the names that the user gave the two files; of a model, what to call the person.
        """
        number = secrets.token_hex(16)
        names = [f"{role}{_suffix(path)}" if path else "" for role, path in (("source", source), ("target", target))]
        folder = self.data / "jobs" / number
        folder.mkdir(parents=True, mode=0o700)
        for name, path in zip(names, (source, target), strict=True):
            if path is not None:
                shutil.move(path, folder / name)
        now_s = time.time()
        job = Job(
            number, owner, now_s, names[0], label_of(labels[0]), names[1], label_of(labels[1]), model_of, queued_s=now_s,
            model_name=model_name, model_sha256=self.model_sha256(f"{model_of}/{model_name}") if model_of else "",
        )  # fmt: skip
        self.save(job)
        return job

    def keep_video(self, job: Job, upload: Path) -> str:
        """Move the uploaded video of one more dancer into the job's folder; returns its name there."""
        name = f"{stem_of(free_file_number(job.dancers))}{_suffix(upload)}"
        shutil.move(upload, self.folder(job.number) / name)
        return name

    def model_sha256(self, model: str) -> str:
        """The digest of a model, named as in `Dancer`; empty where there is none."""
        number, _, name = model.partition("/")
        path = self.folder(number) / name
        return sha256_of(path) if path.is_file() else ""

    def forget_dancer(self, job: Job, dancer: Dancer) -> None:
        """Remove the video, the pictures and the model of one of the others, and what the check found of them."""
        folder = self.folder(job.number)
        for path in (*folder.glob(f"{dancer.stem}.*"), *folder.glob(f"{dancer.stem}_*"), folder / dancer.model_name):
            path.unlink(missing_ok=True)
        check = self.read(job.number, "check.json")
        if check.get("others", {}).pop(dancer.stem, None) is not None:
            write_json(folder / "check.json", check)

    def save(self, job: Job) -> Job:
        """Write the record of a job; returns the job."""
        with complete_or_absent(self.folder(job.number) / "job.json") as temporary:
            temporary.write_text(job.to_json(), "utf-8")
        return job

    def update(self, job: Job, **changes: Any) -> Job:
        """Write the job with these fields changed."""
        return self.save(replace(job, **changes))

    def get(self, number: str, owner: str | None = None) -> Job:
        """The job of this number. owner: whose it must be; None for the server itself.

        Raises:
            InputError: there is none, or it is somebody else's, which reads the same.
        """
        try:
            job = Job.from_json((self.folder(number) / "job.json").read_text("utf-8"))
        except OSError as error:
            raise _absent() from error
        if owner is not None and job.owner != owner:
            raise _absent()
        return job

    def all(self, owner: str | None = None) -> list[Job]:
        """All jobs, newest first; those whose record is damaged are left out."""
        jobs = []
        for record in (self.data / "jobs").glob("*/job.json"):
            try:
                jobs.append(self.get(record.parent.name, owner))
            except InputError:
                continue
        return sorted(jobs, key=lambda job: -job.created_s)

    def remove(self, number: str, owner: str) -> None:
        """Remove a job and all of its files.

        Raises:
            InputError: as `get`, or it runs or waits for its turn.
        """
        if self.get(number, owner).is_active:
            raise InputError("this job is still active; cancel it first.")
        shutil.rmtree(self.folder(number))

    def folder(self, number: str) -> Path:
        """The folder of a job.

        Raises:
            InputError: this cannot be the number of a job.
        """
        if not _NUMBER.fullmatch(number):
            raise _absent()
        return self.data / "jobs" / number

    def file(self, number: str, name: str, owner: str) -> Path:
        """A file that the owner of a job may fetch.

        Raises:
            InputError: as `get`, or the job has no such file.
        """
        self.get(number, owner)
        path = self.folder(number) / name
        if not _PUBLIC.fullmatch(name) or not path.is_file() or path.is_symlink():
            raise _absent()
        return path

    def read(self, number: str, name: str) -> dict[str, Any]:
        """What a job's process wrote to a JSON file; empty if it has not yet."""
        try:
            found = json.loads((self.folder(number) / name).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def write_json(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a JSON file in one step."""
    with complete_or_absent(path) as temporary:
        temporary.write_text(json.dumps(fields, indent=1, allow_nan=False), "utf-8")


def _suffix(path: Path) -> str:
    return path.suffix.lower() if path.suffix.lower() in SUFFIXES else ".video"


def _absent() -> InputError:
    return InputError("there is no such job; it may have been deleted.")
