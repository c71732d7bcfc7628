"""Training of base weights on several processes, which `torchrun` starts: the first one renders, prints and writes.

    torchrun --nproc-per-node N -m dancenow.research.recipes.train_base ...

Every process draws its share of each batch, see `training.distributed`. On one process nothing here changes anything.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dancenow.errors import UserError
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.cache import CacheEntry
from dancenow.training.distributed import joined_processes, rank

_USER_ERROR = 2


def on_all_processes(train: Callable[[], None]) -> None:
    """Do a training on the processes that `torchrun` started; an error that the user can solve is one sentence and status 2."""
    try:
        with joined_processes():
            train()
    except UserError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        sys.exit(_USER_ERROR)


def in_first_process(on_progress: ProgressCallback) -> ProgressCallback:
    """The callback in the first process; others report nothing."""
    return ignore_progress if rank() else on_progress


def say_stage(event: Progress) -> None:
    """Print how far a preparation is, in the first process."""
    if rank() == 0:
        print(event.stage, int(event.done), flush=True)


@contextmanager
def rendering_alone(folder: Path) -> Iterator[None]:
    """Inside it, no other process of this machine renders into `folder`: the others wait, and then find everything.

    Raises:
        OutputError: the cache folder, which has the lock, cannot be used.
    """
    with CacheEntry("renders", str(folder.absolute())).alone():
        yield
