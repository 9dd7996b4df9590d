"""The documented models of MixedBench's registry, each with a small made-up frame of the columns that the registry has.

Input: ``models.csv.gz`` and ``columns.csv.gz`` (README.md says whose they are). Output: `DocumentedModel` records, and
what became of reading one. The frames have the registry's names and types of columns; their values are made up.

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
#: Formulas with a note of the registry's behind them, as the note's reader writes them.
WITHOUT_NOTE = {
    "agridat jansen.strawberry 1": "weighted(category, count) ~ male*female + (1|block:male:female)",
    "stan_arm ARM/Ch.13/pilots.dat 1": "y ~ 1 + (1 | group) + (1 | scenario)",
    "pymc_examples examples/data/item_response_nba.csv 1": 'I(decision %in% c("CC", "IC")) ~ 1 + (1 | disadvantaged) + '
    "(1 | committing)",
    "villemereuil_2018_dryad data.csv 1": "cbind(Hatched.Number, Laid.Number - Hatched.Number) ~ Female.Age + "
    "ClutchNumber + (1 | Female.ID) + (1 | Year)",
    "jing_2020_osf mydata_notation.preference 1": '(resp == "P") ~ denominator + (1 | subjid)',
    "jing_2020_osf mydata_number.generation 1": '(notation == "P") ~ denominator + (1 | subjid)',
    "mlmRev Socatt 2": "pmax(numpos, 2) ~ religion + year + age + gender + (1 | respond)",
    "liutu_2026_zenodo_3 Measurement_plots.xlsx 1": "proportion_of_deadwood ~ dSWI + siteType * peatThickness + "
    "(1 | peatland)",
    "naranowicz_2024_osf_4 MO--ST_mood.csv 2": "arousal ~ Mood * Time + (1 | prtp)",
    "naranowicz_2024_osf_4 MO--ST_mood.csv 3": "motivation ~ Mood * Time + (1 | prtp)",
}
#: Columns that the documents make of others before they fit.
DERIVED = (
    "NVratio", "PC1", "v.prev.full", "region.full", "discharge_home", "admission_source", "specialty_group",
    "age_group", "diag_1_group", "HbA1c_group", "phylogeny", "documentation", "medication", "distraction",
    "disengagement", "profile", "enface", "y", "animal", "dSWI", "siteType", "peatThickness", "time",
)  # fmt: skip
#: Names of further parameters, as glmmTMB's and brms's formulas have them.
PARAMETERS = {"sigma": "sigma", "zi": "zi", "ziformula": "zi", "dispformula": "phi"}
_FURTHER = re.compile(rf"({'|'.join(PARAMETERS)}) *=? *(~[^()]*(?:\([^()]*\|[^()]*\)[^()]*)*)(?:\(glmmTMB beta\))?")
_WORD = re.compile(r"(?<![\w.`])\.?[^\W\d][\w.]*+(?!\s*\()")
_COMPARISON = re.compile(r"I?\([\w.]+\s*(?:==|>|<|%in%)[^~]*\)")
_DATE = re.compile(r"as\.Date\(([A-Z][\w.]*)\)")
_YEAR = re.compile(r'as\.Date\(paste0\((\w+), "-')
_COMPARED = re.compile(r'([\w.]+) (?:==|%in%|<|>) (c\("[^"]*"|"[^"]*"|-?[\d.]+|[\w.]+)')
_CALL = re.compile(r"\b(?!I\()\w+\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)")


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
    covariates: str
    other_columns: str
    formula: str

    @property
    def name(self) -> str:
        return f"{self.source} {self.object} {self.model_index}"

    @property
    def further(self) -> dict[str, str]:
        """The formulas of further parameters behind that of the mean, by this package's names of the parameters."""
        parts = [_FURTHER.fullmatch(part.strip()) for part in self.formula.split(";")[1:]]
        return {PARAMETERS[part[1]]: part[2] for part in parts if part} if all(parts) else {}

    @property
    def written(self) -> str:
        """The formula as a user writes it: no note behind it, names with operators in backticks."""
        text = WITHOUT_NOTE.get(self.name, self.formula.split(";")[0].strip() if self.further else self.formula)
        for column in sorted((name for name in self.columns if re.search(r"\w[-/]\w", name)), key=len, reverse=True):
            text = re.sub(rf"(?<![`\w]){re.escape(column)}(?![`\w])", f"`{column}`", text)
        return text

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """Columns of the data to their type and number of levels, where the registry says them."""
        stated = _columns().get((self.source, self.object, self.model_index), {})
        lists = (self.covariates, self.other_columns, self.grouping_factors.replace(":", ";"), self.trials)
        named = [*(name for text in lists for name in text.split(";") if name), *DERIVED]
        left = WITHOUT_NOTE.get(self.name, self.formula).split("~")[0]
        trials = _WORD.findall(left) if "cbind" in left else []
        groups = set(re.split("[:;]", self.grouping_factors))
        return {
            **{name: ("group", "6") if name in groups else ("continuous", "") for name in named},
            **{name: found for name, found in stated.items() if name not in groups},
            **{name: ("trials", "") for name in [self.trials, *trials] if name},
            self.response: (self.response_type, ""),
        }

    @property
    def stated_family(self) -> str:
        if self.family:
            return self.family
        left = self.written.split("~")[0].strip()
        return "bernoulli" if _COMPARISON.fullmatch(left) else FAMILIES[self.response_type]


@cache
def documented_models() -> tuple[DocumentedModel, ...]:
    table = pd.read_csv(HERE / "models.csv.gz", dtype=str, keep_default_na=False)
    return tuple(DocumentedModel(**row) for row in table.to_dict("records"))


@cache
def _columns() -> dict[tuple[str, ...], dict[str, tuple[str, str]]]:
    table = pd.read_csv(HERE / "columns.csv.gz", dtype=str, keep_default_na=False)
    found: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {}
    for source, thing, index, column, kind, levels in table.itertuples(index=False):
        found.setdefault((source, thing, index), {})[column] = (kind, levels)
    return found


#: What says of a time whether its event was seen, or whether it is censored.
_EVENT = re.compile(r"(?:Surv\([^,()]+,\s*|cens\()(\w+)\)")


def made_up_frame(model: DocumentedModel) -> pd.DataFrame:
    """Make a frame of the registry's columns that the formula names, with values its functions can be computed of."""
    rng = np.random.default_rng(7)
    text = " ".join([model.written, *model.further.values()])
    words = {*_WORD.findall(text), *re.findall("`([^`]+)`", text), model.response}
    arithmetic = {name for call in _CALL.findall(text.replace("factor(", "(")) for name in _WORD.findall(call)}
    kinds = {name: found for name, found in model.columns.items() if name in words}
    frame = {name: _values(rng, *found, name in arithmetic) for name, found in kinds.items()}
    frame[model.response] = _response(rng, model)
    for left, right in _COMPARED.findall(text):
        if right in frame:  # two columns with values in common
            frame[left], frame[right] = (rng.permutation(np.resize(["a", "b", "c"], ROWS)) for _ in range(2))
        elif '"' in right:
            frame[left] = rng.permutation(np.resize([right.split('"')[1], "another"], ROWS))
        elif left in frame:
            frame[left] = rng.permutation(np.resize([float(right), 0.0, 1.0, 12.0], ROWS))
    for name in _EVENT.findall(text):
        frame[name] = rng.permutation(np.resize([0, 1], ROWS))
    for name in _DATE.findall(text):
        frame[name] = rng.permutation(pd.date_range("2018-05-01", periods=ROWS).strftime("%Y-%m-%d"))
    for name in _YEAR.findall(text):
        frame[name] = rng.permutation(np.resize([2016, 2017, 2018, 2019], ROWS))
    return pd.DataFrame(frame)


def _values(rng: np.random.Generator, kind: str, levels: str, number: bool) -> Any:
    if kind in ("group", "ordered", "categorical") and not number:
        count = min(int(levels or 3), 6 if kind == "group" else 4)
        labels = [chr(97 + k) for k in range(count)]
        values = rng.permutation(np.resize(labels, ROWS))
        return pd.Categorical(values, categories=labels, ordered=True) if kind == "ordered" else values
    if kind == "binary":
        return rng.permutation(np.resize([0, 1], ROWS))
    if kind == "trials":
        return rng.integers(20, 90, ROWS)
    return rng.integers(20, 40, ROWS) if kind in ("group", "categorical") else rng.uniform(20, 90, ROWS)


def _response(rng: np.random.Generator, model: DocumentedModel) -> Any:
    family = model.stated_family.lower()
    if family in ("bernoulli", "bernoulli(cloglog)"):
        return rng.permutation(np.resize([0, 1], ROWS))
    if "poisson" in family or "binomial" in family:
        return rng.integers(0, 15, ROWS)
    if "cumulative" in family or family.partition("(")[0] in ("acat", "sratio", "cratio"):
        return rng.permutation(np.resize([1, 2, 3, 4], ROWS))
    if family == "categorical":
        return rng.permutation(np.resize(["a", "b", "c"], ROWS))
    return rng.uniform(0.1, 0.9, ROWS)


def read(model: DocumentedModel) -> GLMMError | None:
    """Read a model as its user would; what it is refused with, None where it is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            frame, further = made_up_frame(model), model.further
            bg.GLMM(model.written, frame, family=model.stated_family, dpar_formulas=further or None)
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
        print(f"{model.name} [{model.stated_family}] {model.written[:200]}")
        print(f"    {type(error).__name__}: {str(error)[:260]}")


if __name__ == "__main__":
    main()
