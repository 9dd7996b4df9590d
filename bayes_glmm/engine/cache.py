"""Keeps numba's disk cache of the engine true to its source, and says when something is compiled into it.

numba looks at the file a function stands in, not at the files of the functions it calls: after an edit of one module
the others would go on with the old code. So the engine's sources are hashed together, and a cache made from other
sources is emptied before anything is compiled.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba.core import event

STAMP = "engine.sha256"


def discard_stale(folder: Path) -> bool:
    """Empty the cache beside the sources when it was made from other sources.

    Parameters
    ----------
    folder
        Directory of the engine's sources.

    Returns
    -------
    bool
        Whether a cache was emptied. A directory that cannot be written to holds no cache: numba then keeps it in the
        user's own cache directory, and an installation that is replaced changes every file at once.
    """
    sources = sorted(folder.glob("*.py"))
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    cache = folder / "__pycache__"
    stamp = cache / STAMP
    try:
        if stamp.exists() and stamp.read_text() == key:
            return False
        cache.mkdir(exist_ok=True)
        stale = [*cache.glob("*.nbi"), *cache.glob("*.nbc")]
        for path in stale:
            path.unlink(missing_ok=True)
        stamp.write_text(key)
    except OSError:
        return False
    return bool(stale)


class _Announcement(event.Listener):
    """Prints one line at the first compilation."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        """Say what is going on, once."""
        if not self.said:
            self.said = True
            message = "bayes_glmm: compiling the engine for this machine, once (about half a minute) ..."
            print(message, file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


@contextmanager
def announced_compilation() -> Iterator[None]:
    """Say on standard error when numba compiles rather than loads from its cache.

    Returns
    -------
    contextlib.AbstractContextManager
        Around anything that may call compiled functions for the first time.
    """
    listener = _Announcement()
    event.register("numba:compile", listener)
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)
