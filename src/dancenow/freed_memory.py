"""Give freed memory back to the system: glibc keeps what lies between blocks in use, and planning a long dance frees much."""

import ctypes
import sys


def release_freed_memory() -> None:
    """Do so now, which takes milliseconds; nothing happens where the C library is another one."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
