"""Bayesian generalized linear mixed models on PyMC.

One formula, one fit; effects for a subject and for the population. Names are imported when they are first used, so that
``import bayes_glmm`` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_glmm import errors, plots, widgets
    from bayes_glmm.checks.calibration import sbc
    from bayes_glmm.checks.compare import compare
    from bayes_glmm.checks.comparison import kfold, loo
    from bayes_glmm.checks.predictive import predictive_check, prior_predictive_check
    from bayes_glmm.checks.prior_sensitivity import prior_sensitivity
    from bayes_glmm.checks.residual_tests import check_residuals
    from bayes_glmm.checks.residuals import simulate_residuals
    from bayes_glmm.datasets.load import list_datasets, load_dataset
    from bayes_glmm.datasets.simulate import simulate
    from bayes_glmm.effects.comparisons import avg_comparisons, comparisons
    from bayes_glmm.effects.grids import grid
    from bayes_glmm.effects.heritability import evolvability, heritability
    from bayes_glmm.effects.heterogeneity import heterogeneity, studies
    from bayes_glmm.effects.hypotheses import hypotheses
    from bayes_glmm.effects.icc import icc
    from bayes_glmm.effects.marginal_coefficients import marginal_coefficients
    from bayes_glmm.effects.predictions import avg_predictions, predictions
    from bayes_glmm.effects.r2 import r2
    from bayes_glmm.effects.shrinkage import shrinkage
    from bayes_glmm.effects.slopes import avg_slopes, slopes
    from bayes_glmm.effects.variance_components import variance_components
    from bayes_glmm.families import FAMILIES, Family
    from bayes_glmm.glmm.fitted import FittedGLMM
    from bayes_glmm.glmm.model import GLMM
    from bayes_glmm.glmm.multiple import PooledGLMM, fit_multiple
    from bayes_glmm.glmm.multivariate import FittedMultivariateGLMM, MultivariateGLMM
    from bayes_glmm.glmm.saved import load
    from bayes_glmm.interop.from_bambi import from_bambi
    from bayes_glmm.predict.draws import log_likelihood, posterior_predictive
    from bayes_glmm.priors import Prior
    from bayes_glmm.report.model_table import table
    from bayes_glmm.report.random_effects import random_effects
    from bayes_glmm.structures.adjacency import Adjacency
    from bayes_glmm.structures.matrix import Precision
    from bayes_glmm.structures.pedigree import Pedigree
    from bayes_glmm.structures.phylogeny import Phylogeny

__all__ = [
    "FAMILIES",
    "GLMM",
    "Adjacency",
    "Family",
    "FittedGLMM",
    "FittedMultivariateGLMM",
    "MultivariateGLMM",
    "Pedigree",
    "Phylogeny",
    "PooledGLMM",
    "Precision",
    "Prior",
    "avg_comparisons",
    "avg_predictions",
    "avg_slopes",
    "check_residuals",
    "compare",
    "comparisons",
    "errors",
    "evolvability",
    "fit_multiple",
    "from_bambi",
    "grid",
    "heritability",
    "heterogeneity",
    "hypotheses",
    "icc",
    "kfold",
    "list_datasets",
    "load",
    "load_dataset",
    "log_likelihood",
    "loo",
    "marginal_coefficients",
    "plots",
    "posterior_predictive",
    "predictions",
    "predictive_check",
    "prior_predictive_check",
    "prior_sensitivity",
    "r2",
    "random_effects",
    "sbc",
    "shrinkage",
    "simulate",
    "simulate_residuals",
    "slopes",
    "studies",
    "table",
    "variance_components",
    "widgets",
]

#: The module of each public name.
_HOMES = {
    "FAMILIES": "families",
    "GLMM": "glmm.model",
    "Family": "families",
    "FittedGLMM": "glmm.fitted",
    "Adjacency": "structures.adjacency",
    "FittedMultivariateGLMM": "glmm.multivariate",
    "MultivariateGLMM": "glmm.multivariate",
    "Pedigree": "structures.pedigree",
    "Phylogeny": "structures.phylogeny",
    "PooledGLMM": "glmm.multiple",
    "Precision": "structures.matrix",
    "Prior": "priors",
    "avg_comparisons": "effects.comparisons",
    "avg_predictions": "effects.predictions",
    "avg_slopes": "effects.slopes",
    "check_residuals": "checks.residual_tests",
    "compare": "checks.compare",
    "comparisons": "effects.comparisons",
    "evolvability": "effects.heritability",
    "fit_multiple": "glmm.multiple",
    "from_bambi": "interop.from_bambi",
    "grid": "effects.grids",
    "heritability": "effects.heritability",
    "heterogeneity": "effects.heterogeneity",
    "hypotheses": "effects.hypotheses",
    "icc": "effects.icc",
    "kfold": "checks.comparison",
    "list_datasets": "datasets.load",
    "load": "glmm.saved",
    "load_dataset": "datasets.load",
    "log_likelihood": "predict.draws",
    "loo": "checks.comparison",
    "marginal_coefficients": "effects.marginal_coefficients",
    "posterior_predictive": "predict.draws",
    "predictions": "effects.predictions",
    "predictive_check": "checks.predictive",
    "prior_predictive_check": "checks.predictive",
    "prior_sensitivity": "checks.prior_sensitivity",
    "r2": "effects.r2",
    "random_effects": "report.random_effects",
    "sbc": "checks.calibration",
    "shrinkage": "effects.shrinkage",
    "simulate": "datasets.simulate",
    "simulate_residuals": "checks.residuals",
    "slopes": "effects.slopes",
    "studies": "effects.heterogeneity",
    "table": "report.model_table",
    "variance_components": "effects.variance_components",
}
_ROOMS = ("errors", "plots", "widgets")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("bayes_glmm")
    if name in _ROOMS:
        return importlib.import_module(f"bayes_glmm.{name}")
    if name not in _HOMES:
        from bayes_glmm.report.pointers import missing_function

        raise AttributeError(missing_function(name, __all__))
    value = getattr(importlib.import_module(f"bayes_glmm.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
