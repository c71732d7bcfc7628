"""The process of one job: `python -m dancenow.web.run_job MAX_SECONDS FOLDER`. It is stopped by closing its standard input.

Whatever happens, it leaves `outcome.json`, unless the disk is full or it was stopped; then the training is saved, and the job
can go on later.
"""

import os
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from dancenow import execution as execution_settings
from dancenow.errors import Cancelled, InputError, OutputError, UserError
from dancenow.execution import Execution
from dancenow.progress import CancelToken
from dancenow.storage.atomic_io import sha256_of
from dancenow.web.job import Job
from dancenow.web.job_dancers import Dancer
from dancenow.web.job_queue import FAILED
from dancenow.web.job_store import write_json
from dancenow.web.page_words import without_options

STOPPED: Final = 3
"""Exit status of a job that was stopped."""


def run_job(folder: Path, token: CancelToken, max_seconds: int) -> int:
    """Run the step that a job's record names; the exit status. max_seconds: longer videos are refused."""
    from dancenow.web.check_step import check_videos
    from dancenow.web.video_step import make_video

    others: Sequence[Dancer] = ()
    try:
        job = Job.from_json((folder / "job.json").read_text("utf-8"))
        others = job.others
        models = {each.stem: _model(folder, job, each) for each in job.dancers if each.model}
        speeds, execution = folder.parent.parent / "speeds.json", Execution.auto(cancel=token)
        if job.step == "check":
            check_videos(folder, job, models, speeds, execution, max_seconds)
        else:
            make_video(folder, job, models, speeds, execution)
        write_json(folder / "outcome.json", {"state": "waiting" if job.step == "check" else "done"})
    except Cancelled:
        return STOPPED
    except UserError as error:
        return _fail(folder, _for_the_page(str(error), folder, others))
    except Exception:
        traceback.print_exc()
        return _fail(folder, "something unexpected went wrong; the file log.txt in the job's folder says what.")
    return 0


def _fail(folder: Path, error: str) -> int:
    print(error, file=sys.stderr)
    with suppress(OutputError):  # of a full disk the queue tells
        write_json(folder / "outcome.json", {"state": "failed", "error": error})
    return FAILED


def _model(folder: Path, job: Job, dancer: Dancer) -> Path:
    """The model of a dancer of a job: of another job of the same owner, which may have been deleted since.

    Raises:
        InputError: it is not there, it is not the one that was chosen, or it is somebody else's.
    """
    path = folder.parent / dancer.model
    if not path.is_file():
        raise InputError(f"the model of “{dancer.label}” was deleted; take a video of the person.")
    if Job.from_json((path.parent / "job.json").read_text("utf-8")).owner != job.owner:
        raise InputError("there is no such model.")
    if dancer.model_sha256 and sha256_of(path) != dancer.model_sha256:
        raise InputError(
            f"the model of “{dancer.label}” was made anew after it was chosen, perhaps of somebody else;"
            " start a new video and choose the person there."
        )
    return path


def _for_the_page(sentence: str, folder: Path, others: Sequence[Dancer]) -> str:
    """A sentence that names the videos as the page does, without folders of the machine, which are nobody's business."""
    names = {"source": "the video of the dance", "target": "the video of the person"}
    for role, name in (names | {each.stem: f"the video “{each.label}”" for each in others}).items():
        for path in folder.glob(f"{role}.*"):
            sentence = sentence.replace(str(path), name).replace(path.name, name)
    return without_options(sentence.replace(f"{folder}/", "").replace(str(folder), "the job's folder"))


def cancel_at_end_of(stream: IO[bytes], token: CancelToken) -> None:
    """Cancel when the stream closes, watched by a thread."""

    def watch() -> None:
        while os.read(stream.fileno(), 1024):  # unlike `stream.read`, it holds no lock that Python needs to end
            pass
        token.cancel()

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Run the job in the folder that is given last, until it is finished or the standard input closes."""
    token = CancelToken()
    cancel_at_end_of(sys.stdin.buffer, token)
    execution_settings.native_loading = execution_settings.closed_stderr
    sys.exit(run_job(Path(sys.argv[2]), token, int(sys.argv[1])))


if __name__ == "__main__":
    main()
