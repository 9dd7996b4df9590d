"""Where the sliders of two stories start: the posterior means of a fit, if its model is the one that is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.arguments import checked_name, in_words
from bayes_glmm.effects.grids import grid
from bayes_glmm.effects.predictions import predictions
from bayes_glmm.effects.variables import fitted_levels, is_factor, two_values
from bayes_glmm.effects.wording import result_words
from bayes_glmm.errors import GLMMError, nearest
from bayes_glmm.inference.fit import check_fit

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

_MEANS = ("binary", "trials", "count", "positive")


def started(fit: Fit, x: Any, links: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Read a fit's posterior means.

    Parameters
    ----------
    fit
        The fit.
    x
        The predictor, or a mapping from it to the two values that are compared.
    links
        Links that are drawn.

    Returns
    -------
    values, fixed, group
        Intercept, effect, sd (link scale) and link; what the axes say and where they end; the grouping factor's name.

    Raises
    ------
    GLMMError
        If the model is of another kind; the message says which.
    """
    check_fit(fit)
    _check_model(fit, links)
    name, ends = _compared(fit, x)
    low, high, names = _axis(fit, name, ends)
    inside = [] if names else [low + share * (high - low) for share in (0.0, 0.3, 0.7, 1.0)]
    eta = _linear_predictor(fit, name, [*ends, *inside])
    effect = eta[:, 1] - eta[:, 0]
    if inside:
        steps = (np.array(inside) - ends[0]) / (ends[1] - ends[0])
        away = np.abs(eta[:, 2:] - eta[:, :1] - effect[:, None] * steps)
        if np.any(away > 1e-8 * (1 + np.abs(eta[:, 2:]))):
            raise GLMMError(
                f"x: on the link scale the model is no straight line in {name!r}, which is what two_stories draws. "
                "Draw bayes_glmm.plots.conditional_marginal."
            )
    values: dict[str, Any] = {"intercept": float(eta[:, 0].mean()), "effect": float(effect.mean()), "sd": _sd(fit)}
    values["link"] = fit.model.spec.link.name
    mean = str(result_words(fit)["predicted"])
    axis = {"x": name, "x_low": low, "x_high": high, "x_names": names}
    axis |= {"x_from": 0.0, "x_to": 1.0} if names else {"x_from": ends[0], "x_to": ends[1]}
    fixed = {"links": [values["link"]], "probability": mean, "number": mean, **axis}
    return values, fixed, " and ".join(term.name for term in fit.model.design.groups)


def _check_model(fit: Fit, links: Sequence[str]) -> None:
    spec, groups = fit.model.spec, fit.model.design.groups
    if spec.link.name == "identity":
        raise GLMMError("fit: under the identity link both stories are the same; there is nothing to show.")
    if spec.link.name not in links or spec.family.support not in _MEANS or spec.family.mean is not None:
        raise GLMMError(
            f"fit: two_stories draws means under the links {', '.join(links)}, not those of the {spec.family.name} "
            f"family under the {spec.link.name} link. Draw bayes_glmm.plots.conditional_marginal."
        )
    if not groups:
        raise GLMMError("fit: the model has no grouping factor, so there is one story only.")
    for term in groups:
        if term.coefs != ("Intercept",):
            raise GLMMError(
                f"fit: {term.name!r} has effects of {', '.join(term.coefs)}; two_stories draws groups that differ by "
                "one sd wherever x is, (1 | g). Draw bayes_glmm.plots.conditional_marginal."
            )


def _compared(fit: Fit, x: Any) -> tuple[str, list[Any]]:
    """Name of the predictor and the two values that are compared."""
    valid = fit.model.spec.formula.predictors
    if x is None:
        raise GLMMError(f"x= must name the predictor along the axis. {nearest('', valid)}")
    chosen: Any = None
    if isinstance(x, Mapping):
        if len(x) != 1:
            raise GLMMError(f"x= takes one predictor, {{'x': (from, to)}}, not {len(x)}.")
        ((x, chosen),) = x.items()
    name = checked_name("x", x)
    if name not in valid:
        raise GLMMError(f"x: the model has no predictor {name!r}. {nearest(name, valid)}")
    values = _both(fit, name) if chosen is None else chosen
    if isinstance(values, str) or np.ndim(values) != 1 or len(values) != 2 or values[0] == values[1]:
        raise GLMMError(f"x: give two different values of {name!r}, (from, to), not {in_words(values)}.")
    return name, list(values)


def _both(fit: Fit, name: str) -> list[Any]:
    """Find the two values that a predictor takes, or a round step from the mean of a number."""
    if is_factor(fit, name):
        levels = fitted_levels(fit, name)
        if len(levels) != 2:
            some = f"{{{name!r}: ({levels[0]!r}, {levels[-1]!r})}}"
            raise GLMMError(f"x: {name!r} has {len(levels)} levels; say which two are compared, {some}.")
        return levels
    if both := two_values(fit, name):
        return both
    data = fit.model.design.frame[name].to_numpy(dtype=float)
    step = 10.0 ** np.floor(np.log10(data.std()))
    start = float(np.round(data.mean() / step) * step)
    return [float(np.round(value, 12)) for value in (start, start + step)]


def _axis(fit: Fit, name: str, ends: list[Any]) -> tuple[float, float, list[str]]:
    """Find the ends of the axis, and the names of two levels, which stand at 0 and 1."""
    if is_factor(fit, name):
        return -0.3, 1.3, [str(value) for value in ends]
    data = fit.model.design.frame[name].to_numpy(dtype=float)
    low, high = min(data.min(), *ends), max(data.max(), *ends)
    return float(low), float(high), []


def _linear_predictor(fit: Fit, name: str, values: list[Any]) -> npt.NDArray[np.float64]:
    """(draws, values) linear predictor of a typical group, other predictors as in `grid`."""
    rows = grid(fit, **{name: values})
    draws = predictions(fit, rows, random_effects="typical", scale="link", draws="dataarray")
    return np.asarray(draws.stack(sample=("chain", "draw")).transpose("sample", "obs"), dtype=float)


def _sd(fit: Fit) -> float:
    """Posterior mean of the sd of all factors' intercepts together."""
    squares = [np.square(fit.posterior[f"sd_{term.name}"].to_numpy()).sum(axis=-1) for term in fit.model.design.groups]
    return float(np.sqrt(sum(squares)).mean())
