"""Draws of a parameter by its name in ``priors=``, of sums and powers of parameters, and of what follows from them."""

from __future__ import annotations

import re

import numpy as np

import bayes_glmm as bg

#: A plus outside brackets and parentheses: beta[log(x + 10)] is one parameter.
_OUTER_PLUS = re.compile(r" \+ (?![^\[\]]*\])")


def parameter(fit: bg.FittedGLMM, name: str) -> np.ndarray:
    """Draws (chain, draw) of Intercept, beta[x], sd[g][x], corr[g], b[g][level][x], thresholds[1|2], sigma.

    ``"a + b"`` is a sum, ``"-a"`` the negative, ``"a ** -2"`` a power.
    """
    if len(terms := _OUTER_PLUS.split(name)) > 1:
        return sum(parameter(fit, term) for term in terms)
    if name.startswith("-"):
        return -parameter(fit, name[1:])
    if found := re.fullmatch(r"(.+\]|\w+) \*\* (-?\d)", name):
        return parameter(fit, found[1]) ** float(found[2])
    posterior = fit.posterior
    if name == "Intercept" or name.startswith("beta["):
        return posterior["beta"].sel(coef=name.removeprefix("beta[").removesuffix("]") if "[" in name else name).values
    if found := re.fullmatch(r"sd\[(.+?)\]\[(.+)\]", name):
        group, coef = found.groups()
        return posterior[f"sd_{group}"].sel({f"{group}_coef": coef}).values
    if found := re.fullmatch(r"corr\[(.+)\]", name):
        return posterior[f"corr_{found[1]}"][..., 0, 1].values
    if found := re.fullmatch(r"b\[(.+?)\]\[(.+?)\]\[(.+)\]", name):
        return level_effect(fit, *found.groups())
    if found := re.fullmatch(r"thresholds\[(.+)\]", name):
        return posterior["thresholds"].sel(threshold=found[1]).values
    return posterior[name].values


def level_effect(fit: bg.FittedGLMM, group: str, level: str, coef: str) -> np.ndarray:
    effects = fit.posterior[f"b_{group}"]
    levels = [str(value) for value in effects[effects.dims[2]].values]
    return effects.sel({f"{group}_coef": coef})[:, :, levels.index(level)].values


def deviance(fit: bg.FittedGLMM) -> np.ndarray:
    """BUGS's deviance: minus twice the log likelihood given the levels' effects, constants included."""
    density = next(iter(bg.log_likelihood(fit)["log_likelihood"].data_vars.values()))
    return -2 * density.sum("obs").values


def at_means(fit: bg.FittedGLMM, **means: float) -> np.ndarray:
    """The linear predictor where coefficients' columns have these values and effects are zero."""
    beta = fit.posterior["beta"]
    return sum((beta.sel(coef=name) * value for name, value in means.items()), beta.sel(coef="Intercept")).values
