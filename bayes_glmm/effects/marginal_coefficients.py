"""Marginal (population-averaged) coefficients of a model with random effects.

Input: a `Fit`. Output: a table with the conditional and the marginal coefficients side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayes_glmm.arguments import own_arguments
from bayes_glmm.effects.evaluation import Array, Counterfactuals, Rows, summarise
from bayes_glmm.effects.labels import moments_words
from bayes_glmm.effects.tables import make_request
from bayes_glmm.effects.wording import coefficient_unit
from bayes_glmm.errors import PredictionError
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.model.naming import threshold_labels
from bayes_glmm.predict.expected import RowPredictor, row_predictor
from bayes_glmm.predict.pieces import piecewise
from bayes_glmm.printing.table import HEADING, Table

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit


@own_arguments
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
        Ordered responses have a row for each threshold, too, categories without an order one for each coefficient.

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

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> table = bg.marginal_coefficients(fit)
    >>> bool((table["marginal"].abs() < table["conditional"].abs()).all())
    True
    """
    check_fit(fit)
    if fit.model.design.monotonic:
        raise PredictionError(
            f"{fit.model.design.monotonic[0].coef} has no single coefficient that could be averaged over groups. Use "
            "avg_comparisons(fit, ..., random_effects='marginal', scale='link')."
        )
    request = make_request(
        fit,
        None,
        random_effects="marginal",
        new_levels="error",
        scale=_scale(fit),
        by=None,
        ci_prob=ci_prob,
        random_seed=0,
        draws="table",
        averaged=False,
    )
    predictor = row_predictor(fit, None, random_effects="marginal", scale=_scale(fit), random_seed=0)
    names, conditional = _coefficients(fit, predictor)
    if not names:
        raise PredictionError(
            "The model has no fixed coefficients, so there are none to average over its random effects."
        )
    marginal = _marginal_draws(fit, predictor)
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
    table = Table(columns, index=pd.Index(names, name="coef"))
    table.attrs = {"scale": "link", "ci_prob": request.ci_prob, "interval": "equal-tailed", "draws": len(marginal)}
    table.attrs[HEADING] = (
        f"Coefficients given the groups (conditional) and averaged over them (marginal), {coefficient_unit(fit)}; "
        f"{moments_words(table.attrs)}."
    )
    return table


def _scale(fit: Fit) -> str:
    """Ordered responses have a linear predictor for every threshold: it follows from the categories' probabilities."""
    return "link" if fit.model.spec.family.probabilities is None else "response"


def _coefficients(fit: Fit, predictor: RowPredictor) -> tuple[list[str], Array]:
    """Names and (S, coefficients) draws, an ordered response's thresholds first; those of all categories."""
    design = fit.model.design
    straight = design.unpenalised
    if predictor.labels is None:
        straight = straight[design.acts_on(0)[straight]]
        return [design.coefs[j] for j in straight], predictor.draws.beta[:, straight]
    names, draws = [design.coefs[j] for j in straight], predictor.draws.beta[:, straight]
    if predictor.family.support == "ordered":
        names = [*threshold_labels(predictor.labels), *names]
        draws = np.concatenate([predictor.draws.parameters["thresholds"][:, 0], draws], axis=1)
    return names, draws


def _marginal_draws(fit: Fit, predictor: RowPredictor) -> Array:
    """Least squares of the marginal linear predictors on the design, per draw: (S, coefficients)."""
    whole, design = fit.model.design, fit.model.design.within(0)
    rows, thresholds = predictor.rows, len(predictor.labels or ("", "")) - 1
    matrix, offsets = design.X, design.offset[:, None]
    if predictor.labels is not None:  # one equation a row and category but the first
        each = [whole.X * (whole.acts_on(0) | whole.acts_on(c)) for c in range(1, thresholds + 1)]
        matrix = np.stack(each, axis=1).reshape(rows * thresholds, -1)
    if predictor.family.support == "unordered":
        offsets = -whole.offsets.T
    elif predictor.labels is not None:  # of threshold - x'beta
        matrix = np.hstack([np.tile(np.eye(thresholds), (rows, 1)), -matrix])
    copies = Counterfactuals(predictor, rows, ())
    first, kind = copies.in_order()
    projection = np.zeros((len(first), thresholds, matrix.shape[1]))
    np.add.at(projection, kind, np.linalg.pinv(matrix).T.reshape(rows, thresholds, -1))

    def fitted(piece: tuple[Rows, Rows]) -> Array:
        draws, chunk = piece
        values = copies.taking(draws).parts(first[chunk])[0]
        if predictor.labels is None:
            return (values - offsets[first[chunk], 0]) @ projection[chunk, 0]
        assert predictor.family.threshold_predictors is not None
        eta = predictor.family.threshold_predictors(values, predictor.link) + offsets[first[chunk]]
        return np.einsum("src,rcp->sp", eta, projection[chunk], optimize=True)

    total = np.zeros((predictor.draws.size, matrix.shape[1]))
    for (draws, _), part in piecewise(fitted, copies.pieces(len(first))):
        total[draws] += part
    columns = design if predictor.labels is None else whole
    ahead = matrix.shape[1] - len(columns.coefs)
    return total[:, [*range(ahead), *(ahead + columns.unpenalised)]]
