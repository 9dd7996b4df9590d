"""The documented models of MixedBench's registry, each with a small made-up frame of the columns it names.

Input: ``models.csv.gz`` and ``columns.csv.gz`` (see README.md there). Output: `DocumentedModel` records, and what became
of reading one. The frames have the registry's names and types of columns; their values are made up.

    python -m tests.documented.models

prints how many are read, and the refusals by reason.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError

HERE = Path(__file__).parent
ROWS = 48
KEY = ["source", "object", "model_index"]
FAMILIES = {
    "continuous": "gaussian",
    "binary": "bernoulli",
    "count": "poisson",
    "binomial": "binomial",
    "ordinal": "cumulative",
    "categorical": "categorical",
}
_WORD = re.compile(r"(?<![\w.`])\.?[^\W\d][\w.]*+(?!\s*\()")
_QUOTED = re.compile(r"`([^`]+)`")
_TEXT = re.compile(r"(\"[^\"]*\"|'[^']*')")
#: Words of formulas that are no columns.
_WORDS = {"TRUE", "FALSE", "NULL", "raw", "pi", "in", "FUN", "function"}


@dataclass(frozen=True)
class DocumentedModel:
    """One row of the registry."""

    source: str
    object: str
    model_index: str
    response: str
    response_type: str
    trials: str
    family: str
    grouping_factors: str
    formula: str

    @property
    def name(self) -> str:
        return f"{self.source} {Path(self.object).name} {self.model_index}"

    @property
    def compares(self) -> bool:
        """Whether the response is a comparison, which is yes or no whatever is compared."""
        return bool(re.search(r"[<>]|==|%in%", self.formula.split("~")[0]))

    @property
    def stated_family(self) -> str:
        if self.family:
            return self.family
        return "bernoulli" if self.compares else FAMILIES[self.response_type]


@cache
def documented_models() -> tuple[DocumentedModel, ...]:
    table = pd.read_csv(HERE / "models.csv.gz", dtype=str, keep_default_na=False)
    return tuple(DocumentedModel(**row) for row in table.to_dict("records"))


@cache
def _columns() -> dict[tuple[str, ...], list[tuple[str, str, str]]]:
    table = pd.read_csv(HERE / "columns.csv.gz", dtype=str, keep_default_na=False)
    return {
        key: list(zip(rows.column, rows.type, rows.K, strict=True)) for key, rows in table.groupby(KEY, sort=False)
    }


def made_up_frame(model: DocumentedModel) -> pd.DataFrame:
    """Make a frame of the columns that the registry lists and the formula names."""
    rng = np.random.default_rng(7)
    text = _TEXT.sub("", model.formula)
    named = [*_QUOTED.findall(text), *_WORD.findall(_QUOTED.sub("", text))]
    numeric = set(re.findall(r"[\w.]+", " ".join(re.findall(r"\w\(((?:[^()]|\([^()]*\))*)\)", text))))
    frame: dict[str, Any] = {}
    for name, kind, levels in _columns().get((model.source, model.object, model.model_index), []):
        frame[name] = _values(rng, "continuous" if name in numeric else kind, levels)
    for name in (part for factor in model.grouping_factors.split(";") for part in factor.split(":") if part):
        frame[name] = _values(rng, "group", "6")
    for name in named:
        if name not in _WORDS:
            frame.setdefault(name, _values(rng, "continuous", ""))
    for name, value in re.findall(r"([\w.]+) == [\"']([^\"']+)[\"']", model.formula):
        frame[name] = rng.permutation(np.resize([value, "another"], ROWS))
    frame[model.response] = _response(rng, model, numeric)
    if model.trials:
        frame[model.trials] = rng.integers(10, 20, ROWS)
    return pd.DataFrame(frame)


def _values(rng: np.random.Generator, kind: str, levels: str) -> Any:
    if kind == "continuous":
        return rng.uniform(1, 9, ROWS).round(3)
    if kind == "binary":
        return rng.permutation(np.resize([0, 1], ROWS))
    count = min(int(levels or 3), 6 if kind == "group" else 4)
    labels = [f"{chr(97 + k)}" for k in range(count)]
    values = rng.permutation(np.resize(labels, ROWS))
    return pd.Categorical(values, categories=labels, ordered=True) if kind == "ordered" else values


def _response(rng: np.random.Generator, model: DocumentedModel, numeric: set[str]) -> Any:
    if re.search(r"== [\"']", model.formula.split("~")[0]):
        value = re.search(r"== [\"']([^\"']+)", model.formula)[1]
        return rng.permutation(np.resize([value, "another"], ROWS))
    whole = {
        "binary": lambda: rng.permutation(np.resize([0, 1], ROWS)),
        "count": lambda: rng.poisson(4, ROWS),
        "binomial": lambda: rng.integers(0, 10, ROWS),
        "ordinal": lambda: rng.permutation(np.resize([1, 2, 3, 4], ROWS)),
        "categorical": lambda: rng.permutation(np.resize(["u", "v", "w"], ROWS)),
    }
    if model.response_type in whole and model.family not in ("Beta", "gaussian"):
        return whole[model.response_type]()
    return rng.uniform(0.1, 0.9, ROWS) if "eta" in model.family.lower() else rng.gamma(3, 1, ROWS)


def read(model: DocumentedModel) -> GLMMError | None:
    """Read a model as its user would; what it is refused with, None where it is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            bg.GLMM(model.formula, made_up_frame(model), family=model.stated_family)
        except GLMMError as error:
            return error
    return None


def main() -> None:
    refused = {model: error for model in documented_models() if (error := read(model)) is not None}
    print(f"{len(documented_models()) - len(refused)} of {len(documented_models())} read\n")
    kinds = Counter(re.sub(r"'[^']*'|\"[^\"]*\"|[\d.]+", "_", str(error))[:70] for error in refused.values())
    for kind, count in kinds.most_common():
        print(f"{count:4d}  {kind}")
    print()
    for model, error in refused.items():
        print(f"{model.name} [{model.stated_family}] {model.formula[:200]}\n    {type(error).__name__}: {str(error)[:260]}")


if __name__ == "__main__":
    main()
