"""The levels' effects as a table. Input: a fit. Output: one row per level and coefficient, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_glmm.effects.wording import coefficient_unit
from bayes_glmm.inference.fit import Fit
from bayes_glmm.report.moments import interval_probability, posterior_moments


def random_effects(fit: Fit, ci_prob: float | None = None) -> pd.DataFrame:
    """List every level's effects with intervals.

    Parameters
    ----------
    fit
        A fitted model.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``rcParams["stats.ci_prob"]``.

    Returns
    -------
    pandas.DataFrame
        One row per grouping factor, level and coefficient: group, level, term, mean, sd, ci_lower, ci_upper; link
        scale, as departures from the fixed part. Levels in the order of the design. Its ``attrs`` say the unit and the
        interval.

    Raises
    ------
    GLMMError
        If `ci_prob` is not a probability between 0 and 1.
    """
    prob = interval_probability(ci_prob)
    columns = ["group", "level", "term", "mean", "sd", "ci_lower", "ci_upper"]
    blocks = []
    for term in fit.model.design.groups:
        moments = posterior_moments(fit.posterior[f"b_{term.name}"], prob)
        moments.insert(0, "group", term.name)
        moments.insert(1, "level", np.repeat(np.array(term.levels, dtype=object), len(term.coefs)))
        moments.insert(2, "term", list(term.coefs) * len(term.levels))
        blocks.append(moments)
    table = pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame(columns=columns)
    table.attrs = {"scale": "link", "unit": coefficient_unit(fit), "ci_prob": prob, "interval": "equal-tailed"}
    return table
