"""posteriordb: its data and priors (on the raw intercept), its reference draws or 4 x 7500 draws of its Stan programs
(commit 28f8d3d).

Data and figures are read from ``../shared/reference/posteriors``: the data are not ours to ship.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

import bayes_glmm as bg
from tests.published.cases import Case, Ours, draws_of
from tests.published.compare import MC_ERRORS, Comparison, Posterior, Quantiles
from tests.published.data import Data, columns, eight_schools, lsat, reference
from tests.published.draws import parameter

SOURCE = "posteriordb"


def prior(name: str, *values: float) -> bg.Prior:
    return bg.Prior(name, *values)


def posteriordb(
    id: str,
    formula: str,
    data: Data,
    family: str,
    priors: Mapping[str, bg.Prior],
    names: Mapping[str, Ours],
    heavy: tuple[str, ...] = (),
    draws: int = 2500,
) -> Case:
    """`names`: theirs -> ours; sds in `heavy` have no fourth moment, so quantiles are compared."""  # fmt: skip
    said = MC_ERRORS + (f" (quantiles of {', '.join(heavy)})" if heavy else "")
    return Case(
        id, formula, data, SOURCE, said, family=family, priors=priors, center=False, draws=draws,
        more=_against(id, names, heavy),
    )  # fmt: skip


def _against(id: str, names: Mapping[str, Ours], heavy: tuple[str, ...]) -> Callable[[bg.FittedGLMM], list[Comparison]]:
    def compare(fit: bg.FittedGLMM) -> list[Comparison]:
        published = reference(f"posteriors/{id}.json")["reference"]["params"]
        assert set(names) == set(published), "a parameter of theirs has no name of ours"
        rows = []
        for theirs, ours in names.items():
            row = published[theirs]
            ess = row.get("ess_bulk", row.get("ess"))
            figure = Posterior(row["mean"], row["sd"], row["mcse_mean"], ess, row.get("mcse_sd"))
            if theirs in heavy:
                quantiles = {0.05: "q5", 0.25: "q25", 0.5: "q50", 0.75: "q75", 0.95: "q95"}
                figure = Quantiles({p: row[key] for p, key in quantiles.items()}, min(ess, row.get("ess_tail", ess)))
            rows += figure.compare(theirs, draws_of(fit, ours))
        return rows

    return compare


def levels(theirs: str, ours: str, count: int, first: int = 1) -> dict[str, str]:
    """Parameters of numbered levels; `ours` has {} where the level goes."""
    return {f"{theirs}[{j + 1}]": ours.format(j + first) for j in range(count)}


def mean_difficulty(fit: bg.FittedGLMM) -> np.ndarray:
    return np.mean([parameter(fit, f"-beta[item[item {i}]]") for i in range(1, 6)], axis=0)


def relative_difficulty(item: int) -> Callable[[bg.FittedGLMM], np.ndarray]:
    return lambda fit: parameter(fit, f"-beta[item[item {item}]]") - mean_difficulty(fit)


DIFFICULTIES = {f"alpha[{i}]": f"-beta[item[item {i}]]" for i in range(1, 6)}
RELATIVE = {f"a[{i}]": relative_difficulty(i) for i in range(1, 6)}
SEEDS = {"alpha0": "Intercept", "alpha1": "beta[x1]", "alpha2": "beta[x2]", "alpha12": "beta[x1:x2]"}

RADON = {"Intercept": prior("Normal", 0, 10), "beta": prior("Normal", 0, 10), "sigma": prior("HalfNormal", 1)}
FLAT = {"Intercept": prior("Flat"), "beta": prior("Flat")}
CUBIC = {
    "alpha": "Intercept", "beta1": "beta[year]", "beta2": "beta[I(year ** 2)]", "beta3": "beta[I(year ** 3)]",
}  # fmt: skip


def radon(kind: str) -> Data:
    return columns(f"radon_mn-radon_{kind}", "floor_measure", "log_radon", "county_idx")


CASES = [
    posteriordb(
        "radon_mn-radon_pooled", "log_radon ~ floor_measure", radon("pooled"), "gaussian", RADON,
        {"alpha": "Intercept", "beta": "beta[floor_measure]", "sigma_y": "sigma"}),
    posteriordb(
        "radon_mn-radon_variable_intercept", "log_radon ~ floor_measure + (1 | county_idx)",
        radon("variable_intercept"), "gaussian", {**RADON, "sd": prior("HalfNormal", 1)},
        {"mu_alpha": "Intercept", "beta": "beta[floor_measure]", "sigma_alpha": "sd[county_idx][Intercept]",
         "sigma_y": "sigma", **levels("alpha", "Intercept + b[county_idx][{}][Intercept]", 85)}),
    posteriordb(
        "radon_mn-radon_variable_intercept_slope", "log_radon ~ floor_measure + (floor_measure || county_idx)",
        radon("variable_intercept_slope"), "gaussian", {**RADON, "sd": prior("HalfNormal", 1)},
        {"mu_alpha": "Intercept", "mu_beta": "beta[floor_measure]", "sigma_alpha": "sd[county_idx][Intercept]",
         "sigma_beta": "sd[county_idx][floor_measure]", "sigma_y": "sigma",
         **levels("alpha", "Intercept + b[county_idx][{}][Intercept]", 85),
         **levels("beta", "beta[floor_measure] + b[county_idx][{}][floor_measure]", 85)}),
    posteriordb(
        "rats_data-rats_model", "y ~ xc + (xc || rat)",
        columns("rats_data-rats_model", "y", "rat", "x", xc=lambda rows: rows["x"] - 22.0), "gaussian",
        {"Intercept": prior("Normal", 0, 100), "beta": prior("Normal", 0, 100), "sd": prior("Flat"),
         "sigma": prior("Flat")},
        {"mu_alpha": "Intercept", "mu_beta": "beta[xc]", "sigma_alpha": "sd[rat][Intercept]",
         "sigma_beta": "sd[rat][xc]", "sigma_y": "sigma",
         "alpha0": lambda fit: parameter(fit, "Intercept") - 22 * parameter(fit, "beta[xc]"),
         **levels("alpha", "Intercept + b[rat][{}][Intercept]", 30),
         **levels("beta", "beta[xc] + b[rat][{}][xc]", 30)}),
    # five pilots: the posterior of their sd falls like its fourth power
    posteriordb(
        "pilots-pilots", "y ~ 1 + (1 | group_id) + (1 | scenario_id)",
        columns("pilots-pilots", "y", "group_id", "scenario_id"), "gaussian",
        {"Intercept": prior("Normal", 0, 200**0.5), "sd": prior("Uniform", 0, 100), "sigma": prior("Uniform", 0, 100)},
        {"Intercept": "Intercept", "sigma_a": "sd[group_id][Intercept]", "sigma_b": "sd[scenario_id][Intercept]",
         "sigma_y": "sigma", **levels("r_a", "b[group_id][{}][Intercept]", 5),
         **levels("r_b", "b[scenario_id][{}][Intercept]", 8)}, heavy=("sigma_a",)),
    posteriordb(
        "seeds_data-seeds_stanified_model", "p(n, N) ~ x1 * x2 + (1 | plate)",
        columns("seeds_data-seeds_stanified_model", "n", "N", "x1", "x2", plate=lambda rows: range(1, len(rows) + 1)),
        "binomial",
        {"Intercept": prior("Normal", 0, 1), "beta": prior("Normal", 0, 1), "sd": prior("HalfCauchy", 1)},
        {**SEEDS, "sigma": "sd[plate][Intercept]", **levels("b", "b[plate][{}][Intercept]", 21)}),
    posteriordb(
        "GLMM_Poisson_data-GLMM_Poisson_model", "cases ~ year + I(year**2) + I(year**3) + (1 | row)",
        columns("GLMM_Poisson_data-GLMM_Poisson_model", "C", "year", row=lambda rows: range(1, len(rows) + 1)),
        "poisson",
        {"Intercept": prior("Normal", 0, 1e4), "beta": prior("Normal", 0, 1e4), "sd": prior("Uniform", 0, 5)},
        {**CUBIC, "sigma": "sd[row][Intercept]", **levels("eps", "b[row][{}][Intercept]", 40)}),
    posteriordb(
        "GLM_Poisson_Data-GLM_Poisson_model", "cases ~ year + I(year**2) + I(year**3)",
        columns("GLM_Poisson_Data-GLM_Poisson_model", "C", "year"), "poisson", FLAT, CUBIC),
    posteriordb(
        "GLM_Binomial_data-GLM_Binomial_model", "p(cases, N) ~ year + I(year**2)",
        columns("GLM_Binomial_data-GLM_Binomial_model", "C", "year", "N"), "binomial",
        {"Intercept": prior("Normal", 0, 100), "beta": prior("Normal", 0, 100)},
        {"alpha": "Intercept", "beta1": "beta[year]", "beta2": "beta[I(year ** 2)]"}),
    # a thousand students answer: fewer draws serve
    posteriordb(
        "lsat_data-lsat_model", "r ~ 0 + item + (1 | student)", lsat, "bernoulli",
        {"beta": prior("Normal", 0, 100), "sd": prior("HalfNormal", 100)},
        {**DIFFICULTIES, "beta": "sd[student][Intercept]", "mean_alpha": mean_difficulty, **RELATIVE}, draws=1000),
    posteriordb(
        "nes_logit_data-nes_logit_model", "vote ~ income", columns("nes_logit_data-nes_logit_model", "vote", "income"),
        "bernoulli", FLAT, {"alpha": "Intercept", "beta[1]": "beta[income]"}),
    posteriordb(
        "kidiq-kidscore_interaction", "kid_score ~ mom_hs * mom_iq",
        columns("kidiq-kidscore_interaction", "kid_score", "mom_hs", "mom_iq"), "gaussian",
        {**FLAT, "sigma": prior("HalfCauchy", 2.5)},
        {"beta[1]": "Intercept", "beta[2]": "beta[mom_hs]", "beta[3]": "beta[mom_iq]", "beta[4]": "beta[mom_hs:mom_iq]",
         "sigma": "sigma"}),
    posteriordb(
        "kilpisjarvi_mod-kilpisjarvi", "y ~ x", columns("kilpisjarvi_mod-kilpisjarvi", "y", "x"), "gaussian",
        {"Intercept": prior("Normal", 9.31290322580645, 100), "beta": prior("Normal", 0, 0.0333333333333333),
         "sigma": prior("Flat")},
        {"alpha": "Intercept", "beta": "beta[x]", "sigma": "sigma"}),
    posteriordb(
        "mesquite-logmesquite_logva",
        "log(weight) ~ log(diam1 * diam2 * canopy_height) + log(diam1 * diam2) + group",
        columns("mesquite-logmesquite_logva", "weight", "diam1", "diam2", "canopy_height", "group"), "gaussian",
        {**FLAT, "sigma": prior("Flat")},
        {"beta[1]": "Intercept", "beta[2]": "beta[log(diam1 * diam2 * canopy_height)]",
         "beta[3]": "beta[log(diam1 * diam2)]", "beta[4]": "beta[group]", "sigma": "sigma"}),
    posteriordb(
        "sesame_data-sesame_one_pred_a", "watched ~ encouraged",
        columns("sesame_data-sesame_one_pred_a", "watched", "encouraged"), "gaussian",
        {**FLAT, "sigma": prior("Flat")},
        {"beta[1]": "Intercept", "beta[2]": "beta[encouraged]", "sigma": "sigma"}),
    posteriordb(
        "eight_schools-eight_schools_noncentered", "se(y, s) ~ 1 + (1 | school)", eight_schools, "gaussian",
        {"Intercept": prior("Normal", 0, 5), "sd": prior("HalfCauchy", 5)},
        {"mu": "Intercept", "tau": "sd[school][Intercept]",
         **levels("theta", "Intercept + b[school][{}][Intercept]", 8)}, heavy=("tau",)),
]  # fmt: skip
