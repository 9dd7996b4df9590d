"""Marginal (population-averaged) coefficients of a model with random effects.

Input: a `Fit`. Output: a table with the conditional and the marginal coefficients side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.effects.evaluation import Array, Counterfactuals, summarise
from bayes_glmm.effects.tables import make_request
from bayes_glmm.errors import PredictionError
from bayes_glmm.predict.expected import chunks, row_predictor

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit


def marginal_coefficients(fit: Fit, *, ci_prob: float | None = None) -> pd.DataFrame:
    """Compute the coefficients of the population-averaged model, beside the conditional ones.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    ci_prob
        Probability of the equal-tailed intervals; None for ArviZ's ``stats.ci_prob``.

    Returns
    -------
    pandas.DataFrame
        Indexed by coefficient, link scale: conditional, conditional_sd, conditional_lower, conditional_upper, marginal,
        marginal_sd, marginal_lower, marginal_upper, and attenuation, the posterior median of marginal / conditional.

    Raises
    ------
    PredictionError
        If the model has no coefficients or the average over random effects does not exist.

    Notes
    -----
    Per draw, beta_m = (X'X)^-1 X' (g(integral of g^-1(x'beta + offset + z'u) N(u; 0, Sigma) du) - offset) over the rows
    that were fitted. With one logit random intercept beta_m lies near beta / sqrt(1 + k^2 sigma^2), k = 16 sqrt(3) /
    (15 pi) (Zeger, Liang and Albert 1988).

    References
    ----------
    Hedeker, D., du Toit, S. H. C., Demirtas, H. and Gibbons, R. D. (2018). A note on marginalization of regression
    parameters from mixed models of binary outcomes. Biometrics 74, 354-361. doi:10.1111/biom.12707.
    Zeger, S. L., Liang, K.-Y. and Albert, P. S. (1988). Models for longitudinal data: a generalized estimating equation
    approach. Biometrics 44, 1049-1060. doi:10.2307/2531734.
    """
    request = make_request(
        fit,
        None,
        random_effects="marginal",
        new_levels="error",
        scale="link",
        by=None,
        ci_prob=ci_prob,
        random_seed=0,
        draws="table",
        averaged=False,
    )
    design = fit.model.design
    if not design.coefs:
        raise PredictionError(
            "The model has no fixed coefficients, so there are none to average over its random effects."
        )
    marginal = _marginal_draws(fit)
    conditional = row_predictor(fit, None, random_effects="typical", random_seed=0).draws.beta
    columns: dict[str, Array] = {}
    for name, draws in (("conditional", conditional), ("marginal", marginal)):
        summary = summarise(draws, request.ci_prob)
        columns |= {
            name: summary.estimate,
            f"{name}_sd": summary.sd,
            f"{name}_lower": summary.lower,
            f"{name}_upper": summary.upper,
        }
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["attenuation"] = np.median(marginal / conditional, axis=0)
    table = pd.DataFrame(columns, index=pd.Index(design.coefs, name="coef"))
    table.attrs = {"scale": "link", "ci_prob": request.ci_prob, "interval": "equal-tailed", "draws": len(marginal)}
    return table


def _marginal_draws(fit: Fit) -> Array:
    """Least squares of the marginal linear predictor on X, per draw: (S, p)."""
    design = fit.model.design
    predictor = row_predictor(fit, None, random_effects="marginal", scale="link", random_seed=0)
    rows = Counterfactuals(predictor, predictor.rows, ())
    first, kind = rows.distinct()
    projection = np.zeros((len(first), len(design.coefs)))
    np.add.at(projection, kind, np.linalg.pinv(design.X).T)
    result = np.zeros((predictor.draws.size, len(design.coefs)))
    for chunk in chunks(len(first), predictor.draws.size):
        eta = predictor.values(first[chunk]) - design.offset[first[chunk]]
        result += eta @ projection[chunk]
    return result
