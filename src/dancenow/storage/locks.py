"""Locks on open files, between processes: the system releases them when their process ends, however it ends.

POSIX has `flock`; Windows locks the first byte. On a file system without locks every attempt succeeds.
"""

import errno
import sys
from typing import IO, Any, Final

_TAKEN: Final = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def try_lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Lock an open file until it is closed; False if another process or another open file has it. Windows has no shared locks.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True
