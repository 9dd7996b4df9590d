"""Columns called as results call their own parts, in every role: every question is answered, or refused at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg

QUIET = {"random_seed": 5, "progressbar": False}
NAMES = (
    "chain", "draw", "obs", "coef", "coef_2", "beta", "sigma", "phi", "nu", "mu", "eta", "lp", "sample", "ci_bound",
    "threshold", "thresholds", "category", "variable", "moment", "statistic", "contrast", "estimate", "lower", "upper",
    "component", "group", "term", "level", "response", "index", "test", "value", "rowid", "mean", "sd", "offset",
    "trials", "weights", "X", "h_coef", "b_h", "sd_h", "corr_h", "z_h", "codes_h", "Z_h", "beta_centered",
    "e_bfmi", "residual", "predicted",
)  # fmt: skip
ROLES = {"predictor": "x", "factor": "f", "group": "h"}
FAST = {
    ("obs", "group"),
    ("chain", "group"),
    ("draw", "group"),
    ("estimate", "predictor"),
    ("contrast", "factor"),
    ("statistic", "group"),
    ("lower", "group"),
}
CELLS = [
    pytest.param(name, role, marks=() if (name, role) in FAST else pytest.mark.slow) for name in NAMES for role in ROLES
]


def questions(fit: Any, role: str, name: str, path: Path) -> Iterator[Callable[[], Any]]:
    group, predictor = (name if role == "group" else "h"), (name if role == "predictor" else "x")
    focus = name if role == "factor" else predictor
    by = "f" if role == "predictor" else name
    yield lambda: str(fit.summary(random_effects=True))
    yield lambda: bg.loo(fit, refits=False)
    yield lambda: bg.loo(fit, unit=group, refits=False)
    yield lambda: bg.kfold(fit, k=2, group=group, **QUIET)
    yield lambda: bg.plots.random_effects(bg.random_effects(fit))
    yield lambda: bg.plots.predictions(bg.avg_predictions(fit, by=by))
    yield lambda: str(bg.avg_predictions(fit, by=name))
    yield lambda: str(bg.avg_comparisons(fit, focus, by=by))
    yield lambda: str(bg.avg_slopes(fit, predictor, by=by))
    yield (
        lambda: (
            bg.plots.residuals(residuals := bg.simulate_residuals(fit, random_seed=1))
            and str(bg.check_residuals(residuals))
        )
    )
    yield lambda: str(bg.predictive_check(fit, group=group, random_seed=1))
    yield lambda: bg.plots.variance_components(bg.variance_components(fit))
    yield lambda: str(bg.icc(fit))
    yield lambda: str(bg.load(fit.save(path / "fit.nc")).summary())
    yield lambda: fit.model.to_pymc()


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
@pytest.mark.parametrize(("name", "role"), CELLS)
def test_every_question_is_answered_whatever_a_column_is_called(name, role, tmp_path):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=72), "f": np.resize(list("abc"), 72), "h": np.repeat(list("uvwxyz"), 12)})
    data["y"] = rng.normal(data["x"] + np.repeat(rng.normal(0, 1, 6), 12))
    x, f, h = (name if role == which else column for which, column in ROLES.items())
    frame = data.rename(columns={ROLES[role]: name})
    fit = bg.GLMM(f"y ~ {x} + {f} + (1 | {h})", frame).fit(method="laplace", **QUIET)
    for ask in questions(fit, role, name, tmp_path):
        assert ask() is not None
    plt.close("all")
