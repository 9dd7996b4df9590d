"""The objects users hold: a model, and its fit. Methods orchestrate; numbers happen in the functions they call."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never

import pandas as pd
import xarray as xr

from bayes_glmm.checks.convergence import Diagnosis, diagnose
from bayes_glmm.checks.propriety import check_propriety
from bayes_glmm.design.design import Design, build_design
from bayes_glmm.errors import ConvergenceWarning, GLMMError, nearest, warn
from bayes_glmm.inference.fit import Fit, assemble_tree
from bayes_glmm.inference.samplers import run_sampler
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.model.autoscale import PriorTable, resolve_priors
from bayes_glmm.priors import Prior
from bayes_glmm.report.equation import equation
from bayes_glmm.report.model_card import model_html, model_text
from bayes_glmm.report.pointers import ARGUMENTS_OF_FITS, ARGUMENTS_OF_MODELS, missing_attribute, refuse_keywords
from bayes_glmm.report.summary import Summary, fit_html, fit_text, summarize
from bayes_glmm.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    import graphviz
    import pymc as pm

_SETTINGS = (
    "draws", "tune", "chains", "cores", "random_seed", "method", "backend", "target_accept", "progressbar"
)  # fmt: skip


class GLMM:
    """A Bayesian generalized linear mixed model.

    Parameters
    ----------
    formula
        lme4's grammar: ``"p(incidence, size) ~ period + (1 | herd)"``. Two kinds of weights go by their names:
        ``weighted(y, w)``, rows that count w times, and ``precision(y, w)``, rows whose variance is divided by w, as
        that of a mean of w rows (``weights=`` of lme4).
    data
        A pandas or polars DataFrame, an Arrow table, an xarray Dataset (a row for each combination of its dimensions)
        or a dictionary of columns. It is copied, never changed. Text is a factor with sorted levels, digits by number.
    family
        Name of the response distribution, a key of ``bayes_glmm.FAMILIES``.
    link
        Name of the link; None for the family's default.
    priors
        `Prior` by parameter (``"beta[x]"``), class (``"beta"``, ``"sd"``) or group (``"sd[herd]"``,
        ``"precision[herd]"``).
    center
        Whether the intercept's prior is on the intercept at the predictors' means; False puts it on the raw intercept.
    missing
        ``"drop"`` drops rows with missing values once for all parts of the formula and says so; ``"error"`` refuses
        them.
    **unknown
        None: other packages' arguments (``offset=``, ``weights=``) are refused with what stands for them here.

    Raises
    ------
    FormulaError
        If the formula cannot be read or asks for something that is not allowed.
    DataError
        If a column is missing or the response does not fit the family.
    PriorError
        If a prior names no parameter of the model, or is flat where the data set no limit.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> list(model.priors["parameter"])[:2]
    ['Intercept', 'beta[period[2]]']
    """

    def __init__(
        self,
        formula: str,
        data: Any,
        family: str = "gaussian",
        *,
        link: str | None = None,
        priors: Mapping[str, Prior] | None = None,
        center: bool = True,
        missing: str = "drop",
        **unknown: Never,
    ) -> None:
        refuse_keywords("GLMM", unknown, ARGUMENTS_OF_MODELS, ("family", "link", "priors", "center", "missing"))
        self._spec = ModelSpec.build(formula, family=family, link=link, priors=priors, center=center, missing=missing)
        self._design = build_design(self._spec, data)
        self._prior_table = resolve_priors(self._spec, self._design)
        check_propriety(self._design, self._prior_table)

    @classmethod
    def _of(cls, spec: ModelSpec, design: Design, prior_table: PriorTable) -> GLMM:
        model = cls.__new__(cls)
        model._spec, model._design, model._prior_table = spec, design, prior_table
        return model

    @property
    def spec(self) -> ModelSpec:
        """What the user stated: formula, family, link, priors."""
        return self._spec

    @property
    def design(self) -> Design:
        """What the data became: design matrices, level codes, response."""
        return self._design

    @property
    def prior_table(self) -> PriorTable:
        """The prior of every parameter, as objects."""
        return self._prior_table

    @property
    def priors(self) -> pd.DataFrame:
        """The prior of every parameter, default or the user's, as a table."""
        return self._prior_table.frame()

    def equation(self) -> str:
        """Return the model as LaTeX.

        Returns
        -------
        str
            An ``aligned`` environment: response, linear predictor, group effects.
        """
        return equation(self._spec, self._design)

    def to_pymc(self, parametrization: Literal["noncentered", "centered"] = "noncentered") -> pm.Model:
        """Build a fresh PyMC model: the definition of what is sampled.

        Parameters
        ----------
        parametrization
            ``"noncentered"`` or ``"centered"`` group effects; the posterior is the same.

        Returns
        -------
        pymc.Model
            A model of its own; changing it does not change this one.

        Raises
        ------
        GLMMError
            If there is no such parametrization.
        """
        from bayes_glmm.model.build import build_model

        known = ("noncentered", "centered")
        if parametrization not in known:
            raise GLMMError(f"There is no parametrization {parametrization!r}. {nearest(parametrization, known)}")
        return build_model(self._spec, self._design, self._prior_table, parametrization=parametrization)

    def graph(self) -> graphviz.Digraph:
        """Draw the PyMC model's graph.

        Returns
        -------
        graphviz.Digraph
            Shown by Jupyter as it is; ``.render(...)`` writes a file.

        Raises
        ------
        GLMMError
            If Graphviz is not installed.
        """
        if shutil.which("dot") is None:
            raise GLMMError(
                "The graph is drawn by Graphviz, whose program 'dot' is not installed here: conda install "
                "python-graphviz, or apt install graphviz, or brew install graphviz. model.equation() needs nothing."
            )
        import pymc as pm

        try:
            return pm.model_to_graphviz(self.to_pymc())
        except ImportError:
            raise GLMMError("The graph needs the Python package graphviz: pip install graphviz.") from None

    def sample_prior(self, draws: int = 500, random_seed: int | None = None) -> xr.DataTree:
        """Draw from the prior and the prior predictive distribution.

        Parameters
        ----------
        draws
            Number of draws.
        random_seed
            Seed.

        Returns
        -------
        xarray.DataTree
            Groups prior (the reported parameters) and prior_predictive (the response over obs).

        Raises
        ------
        SamplingError
            If a prior is flat: one cannot draw from it.
        """
        from bayes_glmm.inference.prior import sample_prior
        from bayes_glmm.model.naming import reported_names

        return sample_prior(
            self.to_pymc(), reported_names(self._design, self._spec.family), self._prior_table, draws, random_seed
        )

    def fit(
        self,
        draws: int | None = None,
        tune: int | None = None,
        chains: int = 4,
        cores: int | None = None,
        random_seed: int | None = None,
        method: str = "nuts",
        backend: str = "auto",
        target_accept: float | None = None,
        progressbar: bool = True,
        **unknown: Never,
    ) -> FittedGLMM:
        """Sample the posterior by NUTS, or approximate it.

        Parameters
        ----------
        draws, tune
            Kept and warm-up iterations per chain; None for the backend's default.
        chains
            Number of chains.
        cores
            Chains that run at once; None for all processors.
        random_seed
            Seed; the same seed gives the same draws on one machine.
        method
            ``"nuts"``, or ``"laplace"``: draws from the Laplace approximation, at once and marked approximate.
        backend
            ``"auto"`` (the kernel where it covers the model, else nutpie on PyMC's graph), ``"kernel"``, ``"nutpie"``,
            ``"pymc"``, ``"numpyro"``, ``"blackjax"``.
        target_accept
            Mean acceptance probability the step size is adapted to; None for the backend's default (0.7 in the kernel's
            coordinates, 0.8 elsewhere).
        progressbar
            Whether to show progress.
        **unknown
            None: other packages' arguments (``seed=``, ``iter=``) are refused with what stands for them here.

        Returns
        -------
        FittedGLMM
            The posterior with its verdict on convergence.

        Raises
        ------
        SamplingError
            If an argument is out of range or no chain can start.

        Warns
        -----
        ConvergenceWarning
            If any parameter fails a check of convergence.
        """
        refuse_keywords("fit", unknown, ARGUMENTS_OF_FITS, _SETTINGS)
        settings = SamplerSettings(draws, tune, chains, cores, random_seed, target_accept, progressbar)
        started = time.perf_counter()
        chosen, reason, sampled = run_sampler(method, backend, self._spec, self._design, self._prior_table, settings)
        attrs = {
            "method": method,
            "backend": chosen,
            "reason": reason,
            "total_seconds": time.perf_counter() - started,
            "inference_library": "bayes_glmm",
        }
        fit = FittedGLMM(self, assemble_tree(self._spec, self._design, sampled, attrs))
        verdict = fit.convergence
        if not verdict.passed and not fit.approximate:
            warn(str(verdict), ConvergenceWarning)
        return fit

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):  # a property that failed: its own error
            return object.__getattribute__(self, name)
        raise AttributeError(missing_attribute("GLMM", name, dir(type(self))))

    def __repr__(self) -> str:
        return model_text(self._spec, self._design, self._prior_table)

    def _repr_html_(self) -> str:
        return model_html(self._spec, self._design, self._prior_table)


@dataclass(frozen=True, eq=False)
class FittedGLMM(Fit):
    """The posterior of a `GLMM`, with the questions people ask of it.

    Parameters
    ----------
    model
        The model that was fitted.
    dt
        Groups posterior, sample_stats, observed_data and constant_data, as ArviZ takes them; dims chain, draw, obs,
        coef and those of the grouping factors.
    """

    model: GLMM

    @cached_property
    def convergence(self) -> Diagnosis:
        """The verdict on convergence alone, as it stands above the summary."""
        return diagnose(self)

    @cached_property
    def _diagnosis(self) -> Diagnosis:
        from bayes_glmm.checks.notes import model_notes

        return replace(self.convergence, notes=model_notes(self))

    def diagnose(self) -> Diagnosis:
        """Judge convergence on every scalar parameter, and look for what the answers depend on besides the data.

        Returns
        -------
        Diagnosis
            A verdict in words (``str``), ``passed``, a Dataset of R-hat and effective sample sizes, and ``notes``:
            separation, sds that cannot be told from zero, priors that decide, factors with few levels.
        """
        return self._diagnosis

    def summary(self, ci_prob: float | None = None, random_effects: bool = False) -> Summary:
        """Summarise the posterior.

        Parameters
        ----------
        ci_prob
            Probability of the equal-tailed interval; None for ArviZ's default.
        random_effects
            Whether to list every group's effects too.

        Returns
        -------
        Summary
            A DataFrame: component, group, term, mean, sd, ci_lower, ci_upper, ess_bulk, ess_tail, r_hat; its repr says
            in words what was fitted and whether it converged.
        """
        return summarize(self, ci_prob=ci_prob, random_effects=random_effects)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write model and posterior to one netCDF file, which `load` reads, and ArviZ and xarray, too.

        Parameters
        ----------
        path
            The file. One that is there is replaced in one step: whenever the machine stops there is the old file or the
            new one.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        GLMMError
            If the disk does not allow it, or the fit uses a family or link of your own.
        DataError
            If a column holds Python objects other than numbers, text and dates.
        """
        from bayes_glmm.inference.store import save_fit

        return save_fit(self, path)

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):  # a property that failed: its own error
            return object.__getattribute__(self, name)
        raise AttributeError(missing_attribute("FittedGLMM", name, dir(type(self))))

    def __repr__(self) -> str:
        return fit_text(self)

    def _repr_html_(self) -> str:
        return fit_html(self)


def load(path: str | os.PathLike[str]) -> FittedGLMM:
    """Read a fit that `FittedGLMM.save` wrote. Files may come from anyone: nothing in them is run or unpickled.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    FittedGLMM
        The fit, with its model.

    Raises
    ------
    GLMMError
        If the file is missing, truncated, was changed after it was saved, refers to anything outside itself, or is of a
        format this version does not read.
    """
    from bayes_glmm.inference.store import read_fit

    saved = read_fit(path)
    return FittedGLMM(GLMM._of(saved.spec, saved.design, saved.prior_table), saved.dt)
