"""How far work is: a bar in notebooks, a line in terminals, a line now and then in logs.

Input: how much is done. Output: nothing but what is shown, on standard error or in the notebook's cell. Work that is
done within half a second shows nothing.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

from bayes_glmm.printing.html import progress_html

#: Seconds of work before anything is shown, between two looks in a terminal or notebook, and before a log's first line.
_DELAY, _INTERVAL, _FIRST_LINE = 0.5, 0.1, 10.0
#: A log's lines come at twice the time of the one before, but at least once in so many seconds.
_LONGEST_SILENCE = 60.0
#: Seconds that say how fast work goes just now.
_RECENT = 10.0


#: What the work that is shown is part of.
_whole: ContextVar[str] = ContextVar("whole", default="")


@contextmanager
def part_of(whole: str) -> Iterator[None]:
    """Name what all work within is part of, before its label.

    Parameters
    ----------
    whole
        Such as ``"a (model 1 of 2)"``.
    """
    token = _whole.set(f"{whole}: ")
    try:
        yield
    finally:
        _whole.reset(token)


class Surface(Protocol):
    """Where progress is shown."""

    def say(self, words: str) -> None:
        """Leave a line that stays.

        Parameters
        ----------
        words
            The line.
        """

    def show(self, words: str, share: float, seconds: float) -> None:
        """Show how far work is.

        Parameters
        ----------
        words
            A line.
        share
            Part of the work that is done, 0 to 1.
        seconds
            Since the work began.
        """

    def close(self, words: str) -> None:
        """Leave a last line, where anything was shown.

        Parameters
        ----------
        words
            The line.
        """


class Progress:
    """How far work is, and about how long it will take.

    Parameters
    ----------
    label
        What is being done.
    total
        How much there is to do.
    shown
        Whether anything is shown at all.
    unit
        What is counted.
    reason
        Why it is done, where that is worth a line of its own, however short the work is.
    surface
        Where it is shown; None for where this process runs.
    clock
        Seconds, increasing.
    """

    def __init__(
        self,
        label: str,
        total: int,
        *,
        shown: bool = True,
        unit: str = "",
        reason: str = "",
        surface: Surface | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._total, self._unit, self._clock = f"{_whole.get()}{label}", total, unit, clock
        self._surface = (surface or _surface_here()) if shown else None
        self._started, self._done = clock(), 0
        self._recent: deque[tuple[float, int]] = deque([(self._started, 0)])
        if self._surface is not None and reason:
            self._surface.say(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, done: int, slowest: float = 0.0) -> None:
        """Say how much is done.

        Parameters
        ----------
        done
            Of the total.
        slowest
            Seconds that the slowest part has still to go, where parts are done side by side.
        """
        self._done = done
        if self._surface is None:
            return
        now = self._clock()
        if now - self._recent[-1][0] >= _INTERVAL:
            self._recent.append((now, done))
            while now - self._recent[1][0] > _RECENT:
                self._recent.popleft()
        elapsed = now - self._started
        if elapsed >= _DELAY:
            self._surface.show(
                f"{self._counted()}, {duration(elapsed)}{self._left(now, slowest)}", self._share(), elapsed
            )

    def advance(self) -> None:
        """Count one more."""
        self.update(self._done + 1)

    def close(self) -> None:
        """Leave a last line, where anything was shown."""
        surface, self._surface = self._surface, None
        if surface is not None:
            surface.close(f"{self._counted()}, {duration(self._clock() - self._started)}")

    def _share(self) -> float:
        return min(1.0, self._done / self._total) if self._total else 1.0

    def _counted(self) -> str:
        of = f"{self._done:,}" if self._done >= self._total else f"{self._done:,} of {self._total:,}"
        return f"{self._label}: {of} {self._unit}".rstrip()

    def _left(self, now: float, slowest: float) -> str:
        """Say how long the rest will take, at the pace since the start or at that of late, whichever is slower."""
        missing = self._total - self._done
        if self._done <= 0 or missing <= 0:
            return ""
        then, before = self._recent[0]
        paces = [self._done / max(now - self._started, 1e-9), (self._done - before) / max(now - then, 1e-9)]
        seconds = max(1, round(max(slowest, missing / min(pace for pace in paces if pace > 0))))
        return f"; about {f'{seconds} s' if seconds < 60 else duration(seconds)} left"


def tracked[Item](items: Iterable[Item], total: int, label: str, shown: bool = True, unit: str = "") -> Iterator[Item]:
    """Show how far a loop is.

    Parameters
    ----------
    items
        What it runs over.
    total
        How many there are.
    label, shown, unit
        As for `Progress`.

    Yields
    ------
    object
        The items.
    """
    with Progress(label, total, shown=shown, unit=unit) as progress:
        for item in items:
            yield item
            progress.advance()


def duration(seconds: float) -> str:
    """Write a time.

    Parameters
    ----------
    seconds
        Seconds.

    Returns
    -------
    str
        In the unit people would use.

    Examples
    --------
    >>> duration(0.04), duration(12.4), duration(200), duration(4000)
    ('0.0 s', '12 s', '3 min 20 s', '1 h 6 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


# surfaces ------------------------------------------------------------------------------------------------------------


def _surface_here() -> Surface:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ == "ZMQInteractiveShell":
        return _Notebook()
    return _Terminal(sys.stderr) if sys.stderr is not None and sys.stderr.isatty() else _Log(sys.stderr)


class _Notebook:
    """A bar with words in the cell that is running."""

    def __init__(self) -> None:
        self._handle: Any = None

    def say(self, words: str) -> None:
        from IPython.display import HTML, display

        display(HTML(progress_html(words, None)))

    def show(self, words: str, share: float, seconds: float) -> None:
        self._put(words, share)

    def close(self, words: str) -> None:
        if self._handle is not None:
            self._put(words, None)

    def _put(self, words: str, share: float | None) -> None:
        from IPython.display import HTML, display

        content = HTML(progress_html(words, share))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)


class _Terminal:
    """A line that is written over."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._length = stream, 0

    def say(self, words: str) -> None:
        print(words, file=self._stream, flush=True)

    def show(self, words: str, share: float, seconds: float) -> None:
        room = min(20, shutil.get_terminal_size().columns - len(words) - 2)
        full = round(room * share)
        self._write(f"{'━' * full}{'╌' * (room - full)} {words}" if room > 4 else words)

    def close(self, words: str) -> None:
        if self._length:
            self._write(words)
            self._stream.write("\n")
            self._stream.flush()

    def _write(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]  # a line that is wrapped cannot be written over
        self._stream.write(f"\r{text:<{self._length}}")
        self._stream.flush()
        self._length = len(text)


class _Log:
    """A line now and then."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._next, self._any = stream, _FIRST_LINE, False

    def say(self, words: str) -> None:
        if self._stream is not None:
            print(f"bayes_glmm: {words}", file=self._stream, flush=True)

    def show(self, words: str, share: float, seconds: float) -> None:
        if seconds >= self._next:
            self._next = min(2 * seconds, seconds + _LONGEST_SILENCE)
            self._write(words)

    def close(self, words: str) -> None:
        if self._any:
            self._write(words)

    def _write(self, text: str) -> None:
        self._any = True
        self.say(text)
