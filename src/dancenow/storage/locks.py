"""Locks on open files, between processes: the system releases them when their process ends, however it ends.

POSIX has `flock`; Windows locks the first byte, has no shared locks, and removes no open file.
"""

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

_TAKEN: Final = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def try_lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Lock an open file until it is closed; False if another process or another open file has it.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            if not shared:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def open_locked(path: Path, *, shared: bool = False) -> IO[bytes] | None:
    """Open a lock file, which is made if needed, and lock it until it is closed; None if another has it.

    Whoever has it alone may remove the file. On a file system without locks everybody gets it.

    Raises:
        OSError: the file cannot be made.
    """
    while True:
        file = path.open("ab")
        try:
            is_locked = try_lock(file, shared=shared)
        except OSError:
            return file
        if not is_locked:
            file.close()
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # it was removed after it was opened here
        time.sleep(0.001)
