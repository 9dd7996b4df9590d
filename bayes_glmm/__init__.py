"""Bayesian generalized linear mixed models on PyMC.

One formula, one fit; effects for a subject and for the population.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_glmm.families import FAMILIES, Family
    from bayes_glmm.glmm import GLMM
    from bayes_glmm.priors import Prior
    from bayes_glmm.report.random_effects import random_effects

#: Where each public name lives; imported when it is first asked for.
_HOMES = {
    "GLMM": "bayes_glmm.glmm",
    "FAMILIES": "bayes_glmm.families",
    "Family": "bayes_glmm.families",
    "Prior": "bayes_glmm.priors",
    "random_effects": "bayes_glmm.report.random_effects",
}
_ROOMS = ("errors", "plots")

__all__ = ["FAMILIES", "GLMM", "Family", "Prior", "errors", "plots", "random_effects"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("bayes_glmm")
    if name in _ROOMS:
        return importlib.import_module(f"bayes_glmm.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'bayes_glmm' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
