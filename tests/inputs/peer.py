"""What the nearest peer, Bambi, does with the same inputs: run once, kept in peer.json.

`python -m tests.inputs.peer` asks Bambi each input of one family, with short chains, and writes the file; inputs that
stand in it are not asked again unless ``--all``. A machine tells errors apart and compares expected responses with
ours; what a fit that says nothing is worth where we refuse or warn, it cannot tell: `JUDGED` says so.
"""

from __future__ import annotations

import json
import linecache
import logging
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_glmm as bg
from bayes_glmm.spec.functions import ELEMENTWISE
from tests.inputs import questions
from tests.inputs.cell import Case, Refused, Warned, standard
from tests.inputs.judged import JUDGED
from tests.inputs.matrix import CASES

FILE = Path(__file__).with_name("peer.json")
#: Our families at Bambi; it has no lognormal one.
FAMILIES = {
    "gaussian": "gaussian", "student": "t", "bernoulli": "bernoulli", "binomial": "binomial", "poisson": "poisson",
    "negativebinomial": "negativebinomial", "gamma": "gamma", "beta": "beta", "cumulative": "cumulative",
}  # fmt: skip
SHORT = {"draws": 50, "tune": 50, "chains": 2, "cores": 1, "random_seed": 1, "progressbar": False}
SECONDS = 180
#: Python's own complaints, which no author raises to explain an input.
_FROM_BELOW = (KeyError, IndexError, AssertionError, AttributeError, RecursionError)


def family_of(case: Case) -> str | None:
    """The family an input is asked of: the first that Bambi has."""
    return next((family for family in case.families if family in FAMILIES), None)


def can_be_asked(case: Case) -> bool:
    """Priors, links, other functions than predict and the approximation have another shape there."""
    if family_of(case) is None or case.name.startswith(("priors:", "asked for", "groups 0 to 7")):
        return False
    if case.name.startswith("fit:"):
        return bool(_settings(case)) and not {"method", "backend"} & set(_settings(case))
    return "||" not in case.formula and not (set(case.options) if not callable(case.options) else set())


def _settings(case: Case) -> dict[str, Any]:
    return {f"fit: {name}": settings for name, settings, _ in questions.WRONG_SETTINGS}.get(case.name, {})


def build(formula: str, data: Any, family: str) -> Any:
    import bambi

    link = {"link": "log"} if family == "gamma" else {}
    functions = {name: getattr(np, name) for name in ELEMENTWISE}
    return bambi.Model(formula, data, family=FAMILIES[family], extra_namespace=functions, **link)


def expected(model: Any, idata: Any, data: Any = None) -> np.ndarray:
    """Posterior mean of each row's location; of each category's probability, one after the other."""
    out = model.predict(idata, data=data, kind="response_params", inplace=False)
    name = next(name for name in ("p", "mu") if name in out.posterior)
    means = out.posterior[name].mean(("chain", "draw")).to_numpy()
    # as our tables: category by category
    return means.T.ravel()


def ours(case: Case, family: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of each row's expected response in our fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = case.asked(family).model().fit(random_seed=1, progressbar=False)
        draws = bg.predictions(fit, draws="dataarray")
    return draws.mean(("chain", "draw")).to_numpy(), draws.std(("chain", "draw")).to_numpy()


def is_like(theirs: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> bool:
    """Within a posterior sd throughout: 100 draws and other priors move a row's mean by less."""
    same = theirs.shape == mean.shape
    return same and bool(np.sqrt(np.mean(np.square((theirs - mean) / np.maximum(sd, 1e-300)))) < 1)


def ask(case: Case, family: str) -> bool:
    """Ask Bambi; whether its answer is like ours (for inputs that we refuse: whether it is finite)."""
    asked = case.asked(family)
    if case.name.startswith("new rows:"):
        return _ask_new_rows(case, asked.data, family)
    model = build(asked.formula, asked.data, family)
    idata = model.fit(**{**SHORT, **_settings(case)})
    if isinstance(case.expectation(family), Refused):
        return bool(all(np.isfinite(values).all() for values in idata.posterior.data_vars.values()))
    reference = ours(case, family)
    if is_like(expected(model, idata), *reference):
        return True
    # so few draws are no reason to say that it is wrong
    longer = model.fit(**{**SHORT, "draws": 500, "tune": 500})
    return is_like(expected(model, longer), *reference)


_fitted: dict[str, Any] = {}


def _ask_new_rows(case: Case, data: pd.DataFrame, family: str) -> bool:
    if family not in _fitted:
        model = build("y ~ x + f + offset(o) + (1 | g)", standard(family), family)
        _fitted[family] = model, model.fit(**SHORT)
    model, idata = _fitted[family]
    rows, change = data.iloc[questions.ROWS], questions.CHANGES[case.name]
    answer = expected(model, idata, change(rows.copy()))
    plain = expected(model, idata, rows)
    return answer.shape == plain.shape and bool(np.allclose(answer, plain))


def _raised_on_purpose(error: BaseException) -> bool:
    """Whether Bambi's or its formula parser's own code raised it, to explain."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    at_home = any(f"/{package}/" in last.filename for package in ("bambi", "formulae"))
    return at_home and line.startswith("raise") and not isinstance(error, _FROM_BELOW)


def record(case: Case, family: str) -> dict[str, Any]:
    """Ask once; what happened, without a judgement."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda logged: said.append(logged.getMessage())  # type: ignore[method-assign]
    logging.getLogger("bambi").addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            alike = ask(case, family)
    except Exception as error:  # whatever comes is what this is about
        outcome = "error" if _raised_on_purpose(error) else "error from below"
        return {"family": family, "outcome": outcome, "message": _short(f"{type(error).__name__}: {error}")}
    finally:
        logging.getLogger("bambi").removeHandler(handler)
    # what pandas says about Bambi's code is not about the input
    at_home = [w for w in caught if "/bambi/" in w.filename or "/formulae/" in w.filename]
    said += [str(w.message) for w in at_home if not issubclass(w.category, FutureWarning | DeprecationWarning)]
    return {"family": family, "outcome": "like ours" if alike else "unlike", "message": _short(said[0]) if said else ""}


def verdict(case: Case, found: Mapping[str, Any]) -> tuple[str, str]:
    """The class of what happened, and who says so."""
    wanted = case.expectation(found["family"])
    outcome = found["outcome"]
    if outcome == "no end":
        return "no end", "machine"
    if outcome.startswith("error"):
        return ("clear error" if outcome == "error" else "obscure error"), "machine"
    if case.name in JUDGED:
        return JUDGED[case.name]
    if isinstance(wanted, Refused):
        return "silent", "rule"
    if outcome == "unlike":
        return "silently wrong", "machine"
    return ("silent" if isinstance(wanted, Warned) and not found["message"] else "right"), "machine"


def _short(text: str) -> str:
    return " ".join(text.split())[:160]


def _read() -> dict[str, dict[str, Any]]:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def _write(found: Mapping[str, Mapping[str, Any]]) -> None:
    kept = {case.name: found[case.name] for case in CASES if case.name in found}
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _missing() -> list[Case]:
    found = _read()
    return [case for case in CASES if can_be_asked(case) and case.name not in found]


def work() -> None:
    """Ask what is missing, one after the other, until something does not come back."""
    import pymc  # its logger is set up when it is imported

    logging.getLogger(pymc.__name__).setLevel(logging.CRITICAL)
    for case in _missing():
        family = family_of(case)
        assert family is not None
        _write({**_read(), case.name: record(case, family)})


def main() -> None:
    """Have a process work, and where it hangs or dies over an input, say so and start another one."""
    while missing := _missing():
        worker = subprocess.Popen([sys.executable, "-m", "tests.inputs.peer", "--work"])
        left, since = len(missing), time.monotonic()
        while worker.poll() is None and time.monotonic() - since < SECONDS:
            time.sleep(1)
            if len(_missing()) < left:
                left, since = len(_missing()), time.monotonic()
        if worker.poll() is None:
            worker.kill()
        died = worker.wait()
        if still := _missing():
            message = f"not finished after {SECONDS} s" if died == -9 else f"the process ended with {died}"
            _write({**_read(), still[0].name: {"family": family_of(still[0]), "outcome": "no end", "message": message}})
        print(len(still), "left", flush=True)


if __name__ == "__main__":
    if "--all" in sys.argv[1:]:
        FILE.unlink(missing_ok=True)
    work() if "--work" in sys.argv[1:] else main()
