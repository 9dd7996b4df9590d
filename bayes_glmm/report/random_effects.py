"""The levels' effects. Input: a fit. Output: one row per level and coefficient with intervals, or the draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import interval_probability, own_arguments
from bayes_glmm.effects.labels import moments_words
from bayes_glmm.effects.wording import coefficient_unit
from bayes_glmm.errors import PredictionError
from bayes_glmm.inference.fit import Fit, check_fit
from bayes_glmm.model.scales import link_in_words
from bayes_glmm.predict.meanings import check_choice
from bayes_glmm.printing.table import HEADING, Table
from bayes_glmm.report.moments import posterior_moments

_NAMES = {"mean": "estimate", "sd": "sd", "ci_lower": "lower", "ci_upper": "upper"}


@own_arguments
def random_effects(fit: Fit, ci_prob: float | None = None, *, draws: str = "table") -> pd.DataFrame | xr.DataArray:
    """List every level's effects with intervals.

    Parameters
    ----------
    fit
        A fitted model.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``rcParams["stats.ci_prob"]``.
    draws
        ``"table"``, or ``"dataarray"`` for the draws, which `bayes_glmm.hypotheses` takes.

    Returns
    -------
    pandas.DataFrame or xarray.DataArray
        One row per grouping factor, level and coefficient: group, level, term, estimate, sd, lower, upper; link scale,
        as departures from the fixed part. Levels in the order of the design. Its ``attrs`` say the unit and the
        interval. Or draws with dims chain, draw, obs in the same order, with the coordinates group, level and term.

    Raises
    ------
    GLMMError
        If `ci_prob` is not a probability between 0 and 1, or `draws` not one of its values.
    PredictionError
        If draws are asked for and the model has no grouping factor.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.random_effects(fit)
    >>> table.loc[0, ["group", "level", "term"]].tolist()
    ['Subject', '308', 'Intercept']
    """
    check_fit(fit, frames=True)
    check_choice("draws", draws, ("table", "dataarray"))
    prob = interval_probability(ci_prob)
    blocks = [
        pd.DataFrame(
            {
                "group": term.name,
                "level": np.repeat(np.array(term.levels, dtype=object), len(term.coefs)),
                "term": list(term.coefs) * len(term.levels),
            }
        )
        for term in fit.model.design.groups
    ]
    variables = [fit.posterior[f"b_{term.name}"] for term in fit.model.design.groups]
    if draws == "dataarray":
        return _draws(blocks, variables)
    if not blocks:
        return pd.DataFrame(columns=["group", "level", "term", *_NAMES.values()])
    moments = pd.concat([posterior_moments(variable, prob) for variable in variables], ignore_index=True)
    table = Table(pd.concat([pd.concat(blocks, ignore_index=True), moments.rename(columns=_NAMES)], axis=1))
    others = () if fit.model.spec.family.categories else fit.model.spec.channels
    units = [coefficient_unit(fit), *(f"of {one.name}: {link_in_words(one)}" for one in others)]
    table.attrs = {"scale": "link", "unit": "; ".join(units), "ci_prob": prob, "interval": "equal-tailed"}
    table.attrs[HEADING] = f"Departures from the fixed part ({table.attrs['unit']}); {moments_words(table.attrs)}."
    return table


def _draws(blocks: list[pd.DataFrame], variables: list[xr.DataArray]) -> xr.DataArray:
    if not blocks:
        raise PredictionError("random_effects: the model has no grouping factor, so there are no draws.")
    labels = pd.concat(blocks, ignore_index=True)
    ordered = [variable.transpose("chain", "draw", ...) for variable in variables]
    values = np.concatenate([one.values.reshape(*one.shape[:2], -1) for one in ordered], axis=2)
    coords = {name: ordered[0][name] for name in ("chain", "draw") if name in ordered[0].coords}
    array = xr.DataArray(values, dims=("chain", "draw", "obs"), coords={**coords, "obs": labels.index.to_numpy()})
    array = array.assign_coords({str(name): ("obs", labels[name].to_numpy()) for name in labels.columns})
    array.attrs = {"quantity": "random effect", "scale": "link"}
    return array.rename("effect")
