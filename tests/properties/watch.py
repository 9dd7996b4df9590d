"""A watch over what Python does while a text is read: an audit hook, a canary among the builtins, a column of decoys.

What known-good formulas cause is learned first; anything else is an intrusion. Input: a callable that reads a text.
Output: an `Outcome`. The hook cannot be taken off again: a process of its own does the watching.
"""

from __future__ import annotations

import builtins
import signal
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bayes_glmm.errors import GLMMError

#: Seconds after which a text is given up.
PATIENCE = 20


class GivenUpError(Exception):
    """The time for one text is over."""


@dataclass
class Outcome:
    """What became of one text.

    Parameters
    ----------
    verdict
        ``"refused"`` (a FormulaError), ``"refused later"`` (another GLMMError), ``"accepted"``, ``"other exception"``.
    detail
        The exception's class and first line.
    seconds
        Processor time.
    intrusions
        Events that no known-good formula causes, and what touched canary and decoys.
    """

    verdict: str
    detail: str = ""
    seconds: float = 0.0
    intrusions: list[str] = field(default_factory=list)


class Decoy:
    """An object in a column that notes what is done to it."""

    def __init__(self, log: list[str]) -> None:
        object.__setattr__(self, "log", log)

    def __getattr__(self, name: str) -> Any:
        self.log.append(f"decoy.{name}")
        raise AttributeError(name)

    def __call__(self, *args: Any) -> Any:
        self.log.append("decoy called")

    def __getitem__(self, item: Any) -> Any:
        self.log.append("decoy indexed")
        raise IndexError(item)

    def __repr__(self) -> str:
        return "decoy"


class Watch:
    """The hook, and what it has learned and seen."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.active = self.learning = self.silent = False
        self.seen: list[str] = []
        self.touched: list[str] = []
        self.events = 0
        builtins.canary = lambda *args: self.touched.append("canary called")
        self.decoy = Decoy(self.touched)
        sys.addaudithook(self.hook)
        signal.signal(signal.SIGALRM, self.give_up)

    @staticmethod
    def give_up(*args: Any) -> None:
        raise GivenUpError(f"not read within {PATIENCE} s")

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active:
            return
        self.active = False  # what the hook does itself is not watched
        try:
            self.events += 1
            self.note(event, args)
        finally:
            self.active = True

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "exec":
            if made_from_text(args[0]):
                self.seen.append(f"code made from text ran: {args[0].co_names}")
            if self.silent:
                self.seen.append(f"code ran while the formula was read: {args[0].co_filename!r}")
        where = args[1] if event == "compile" else args[0].co_filename if event == "exec" else ""
        where = str(args[0]) if event in ("import", "open") else where
        where = str(args[1]) if event == "object.__getattr__" else where
        key = f"{event} {where}"
        if self.learning:
            self.known.add(key)
        elif key not in self.known:
            self.seen.append(key)

    def learn(self, read: Callable[[], Any]) -> None:
        """Note the events of something known to be good."""
        self.active = self.learning = True
        try:
            read()
        except GLMMError:
            pass  # a decoy is no number: what looking at it causes is to be known
        finally:
            self.active = self.learning = False
        self.known |= set(self.touched)
        self.touched.clear()

    def judge(self, parse: Callable[[], Any], build: Callable[[], Any]) -> Outcome:
        """Read a text in two steps; in the first nothing may run at all."""
        self.seen, self.touched[:] = [], []
        started = time.process_time()
        signal.alarm(PATIENCE)
        try:
            self.active = self.silent = True
            parse()
            self.silent = False
            build()
            outcome = Outcome("accepted")
        except GLMMError as error:
            kind = type(error).__name__
            text = str(error).splitlines() or [""]
            outcome = Outcome("refused" if kind == "FormulaError" else "refused later", f"{kind}: {text[0][:200]}")
        except Exception as error:  # noqa: BLE001 what is looked for here
            outcome = Outcome("other exception", f"{type(error).__name__}: {str(error)[:200]}")
        finally:
            self.active = self.silent = False
            signal.alarm(0)
        outcome.seconds = time.process_time() - started
        outcome.intrusions = self.seen + [touch for touch in self.touched if touch not in self.known]
        return outcome


def made_from_text(code: types.CodeType) -> bool:
    return not code.co_filename.endswith(".py")
