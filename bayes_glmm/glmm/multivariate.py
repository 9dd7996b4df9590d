"""What users hold of a model of several responses, and of its fit. Methods orchestrate, as in `glmm.model`."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never

import pandas as pd
import xarray as xr

from bayes_glmm.checks.convergence import Diagnosis, diagnose
from bayes_glmm.checks.propriety import check_propriety
from bayes_glmm.design.multivariate import MultivariateDesign, build_multivariate_design
from bayes_glmm.design.tables import column_names
from bayes_glmm.errors import ConvergenceWarning, GLMMError, nearest, warn
from bayes_glmm.glmm.fitted import FittedGLMM
from bayes_glmm.inference.multivariate import (
    MultivariateFit,
    assemble_together,
    response_tree,
    run_together,
    sample_prior_together,
)
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.model.multivariate import merged_priors, own_priors
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.printing.table import Table
from bayes_glmm.report.equation import Equation
from bayes_glmm.report.multivariate import (
    equation_of_several,
    priors_frame,
    several_html,
    several_text,
    summarize_several,
)
from bayes_glmm.report.pointers import ARGUMENTS_OF_FITS, ARGUMENTS_OF_MODELS, refuse_keywords
from bayes_glmm.report.provenance import versions_here
from bayes_glmm.report.summary import Summary
from bayes_glmm.spec.multivariate import MultivariateSpec

if TYPE_CHECKING:
    import graphviz
    import pymc as pm

    from bayes_glmm.checks.comparison import KFold
    from bayes_glmm.glmm.model import GLMM
    from bayes_glmm.inference.store import OpenFile

_ARGUMENTS = ("family", "families", "residual_correlation", "link", "priors", "covariances", "center", "missing")
_SETTINGS = (
    "draws", "tune", "chains", "cores", "random_seed", "method", "backend", "target_accept", "progressbar"
)  # fmt: skip


class MultivariateGLMM:
    """A Bayesian generalized linear mixed model of several responses: what `bg.GLMM` makes of a list of formulas.

    Parameters
    ----------
    spec
        What the user stated.
    design
        What the data became.
    single
        The class of models of one response.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> data = bg.load_dataset("sleepstudy").assign(lapses=lambda d: (d["Reaction"] > 300).astype(int))
    >>> formulas = ["Reaction ~ Days + (1 |p| Subject)", "lapses ~ Days + (1 |p| Subject)"]
    >>> model = bg.GLMM(formulas, data, families=["gaussian", "bernoulli"])
    >>> model.responses
    ('Reaction', 'lapses')
    >>> model["lapses"].spec.family.name
    'bernoulli'
    """

    def __init__(self, spec: MultivariateSpec, design: MultivariateDesign, single: type[GLMM]) -> None:
        tables = tuple(resolve_priors(part.spec, part) for part in design.parts)
        for part, table in zip(design.parts, tables, strict=True):
            check_propriety(part, table)
        self._state(spec, design, tables, single)

    @classmethod
    def build(
        cls,
        formulas: Any,
        data: Any,
        family: Any = "gaussian",
        *,
        single: type[GLMM],
        families: Any = None,
        residual_correlation: bool = False,
        link: Any = None,
        dpar_formulas: Any = None,
        priors: Mapping[str, Any] | None = None,
        covariances: Mapping[str, Any] | None = None,
        center: bool = True,
        missing: str = "drop",
        **unknown: Never,
    ) -> MultivariateGLMM:
        """Build a model; arguments as of `bayes_glmm.GLMM`, which calls it where there are several responses."""
        refuse_keywords("GLMM", unknown, ARGUMENTS_OF_MODELS, _ARGUMENTS)
        if dpar_formulas:
            raise GLMMError(
                "dpar_formulas: formulas of further parameters are not available for several responses; leave them out."
            )
        if families is not None and family != "gaussian":
            raise GLMMError("family= is one family for all responses, and families= are those of each; state one.")
        chosen = family if families is None else families
        names = column_names(data)
        spec = MultivariateSpec.build(
            formulas, chosen, link, priors, center, missing, names, covariances, residual_correlation
        )
        return cls(spec, build_multivariate_design(spec, data), single)

    @classmethod
    def _of(
        cls, spec: MultivariateSpec, design: MultivariateDesign, tables: tuple[PriorTable, ...], single: type[GLMM]
    ) -> MultivariateGLMM:
        model = cls.__new__(cls)
        model._state(spec, design, tables, single)
        return model

    def _state(
        self, spec: MultivariateSpec, design: MultivariateDesign, tables: tuple[PriorTable, ...], single: type[GLMM]
    ) -> None:
        self._spec, self._design, self._tables, self._single = spec, design, tables, single
        self._prior_table = merged_priors(design, tables)
        self._own = tuple(own_priors(design, table, self._prior_table, r) for r, table in enumerate(tables))

    @property
    def spec(self) -> MultivariateSpec:
        """What the user stated: the specification of each response, and what they share."""
        return self._spec

    @property
    def design(self) -> MultivariateDesign:
        """What the data became: the design of each response, and the columns and groups of all."""
        return self._design

    @property
    def prior_tables(self) -> tuple[PriorTable, ...]:
        """The priors of each response, as objects."""
        return self._tables

    @property
    def prior_table(self) -> PriorTable:
        """The prior of every parameter, as objects."""
        return self._prior_table

    @property
    def responses(self) -> tuple[str, ...]:
        """Names of the responses, by which models and fits of one are taken out: ``model["y1"]``."""
        return self._spec.names

    @property
    def priors(self) -> pd.DataFrame:
        """The prior of every parameter, default or the user's, as a table."""
        return Table(priors_frame(self._design, self._prior_table))

    def __getitem__(self, response: str) -> GLMM:
        """Return the model of one response: that response alone, with the priors it has among the others."""
        if response not in self.responses:
            raise GLMMError(f"There is no response {response!r}. {nearest(str(response), self.responses)}")
        r = self.responses.index(response)
        return self._single._of(self._spec.parts[r], self._design.parts[r], self._own[r])

    def equation(self) -> Equation:
        """Return the model as LaTeX, which notebooks show as a formula.

        Returns
        -------
        str
            An ``aligned`` environment; a superscript says whose a parameter is.
        """
        return equation_of_several(self._design)

    def to_pymc(self, parametrization: Literal["noncentered", "centered"] = "noncentered") -> pm.Model:
        """Build a fresh PyMC model: the definition of what is sampled.

        Parameters
        ----------
        parametrization
            ``"noncentered"`` or ``"centered"`` group effects; the posterior is the same.

        Returns
        -------
        pymc.Model
            A model of its own.

        Raises
        ------
        GLMMError
            If there is no such parametrization.
        """
        from bayes_glmm.model.build_multivariate import build_multivariate_model

        known = ("noncentered", "centered")
        if parametrization not in known:
            raise GLMMError(f"There is no parametrization {parametrization!r}. {nearest(parametrization, known)}")
        return build_multivariate_model(self._design, self._prior_table, parametrization=parametrization)

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
            raise GLMMError("The graph is drawn by Graphviz, whose program 'dot' is not installed here.")
        import pymc as pm

        return pm.model_to_graphviz(self.to_pymc())

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
            Groups prior (the reported parameters) and prior_predictive (a variable for each response).

        Raises
        ------
        SamplingError
            If a prior is flat, or `draws` is no number of draws.
        """
        return sample_prior_together(self, draws, random_seed)

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
    ) -> FittedMultivariateGLMM:
        """Sample the posterior by NUTS, or approximate it.

        Parameters
        ----------
        draws, tune, chains, cores, random_seed, method, backend, target_accept, progressbar
            As of `GLMM.fit`.
        **unknown
            None: other packages' arguments are refused with what stands for them here.

        Returns
        -------
        FittedMultivariateGLMM
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
        settings = replace(settings, random_seed=settings.seed)
        started = time.perf_counter()
        chosen, reason, sampled = run_together(method, backend, self, settings)
        attrs = {
            "method": method,
            "backend": chosen,
            "reason": reason,
            "total_seconds": time.perf_counter() - started,
            "inference_library": "bayes_glmm",
            "inference_library_version": version("bayes_glmm"),
            "versions": versions_here(),
            "random_seed": settings.seed,
            "call": settings.call(method, backend),
        }
        fit = FittedMultivariateGLMM(self, assemble_together(self, sampled, attrs))
        if not fit.convergence.passed and not fit.approximate:
            warn(fit.convergence.verdict, ConvergenceWarning)
        return fit

    def __repr__(self) -> str:
        return several_text(self)

    def _repr_html_(self) -> str:
        return several_html(self)


@dataclass(frozen=True, eq=False, repr=False)
class FittedMultivariateGLMM(MultivariateFit):
    """The posterior of a `MultivariateGLMM`. ``fit["y1"]`` is the fit of one response, which all functions take.

    Parameters
    ----------
    model
        The model that was fitted.
    dt
        Groups posterior, sample_stats, observed_data and constant_data, as ArviZ takes them.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> data = bg.load_dataset("sleepstudy").assign(lapses=lambda d: (d["Reaction"] > 300).astype(int))
    >>> formulas = ["Reaction ~ Days + (1 |p| Subject)", "lapses ~ Days + (1 |p| Subject)"]
    >>> model = bg.GLMM(formulas, data, families=["gaussian", "bernoulli"])
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> list(fit.summary()["term"])[:4]
    ['Reaction_Intercept', 'Reaction_Days', 'lapses_Intercept', 'lapses_Days']
    >>> bg.avg_comparisons(fit["lapses"], "Days")["estimate"].round(1).tolist()
    [0.1]
    """

    model: MultivariateGLMM

    @cached_property
    def convergence(self) -> Diagnosis:
        """The verdict on convergence alone."""
        return diagnose(self)

    def diagnose(self) -> Diagnosis:
        """Judge convergence on every scalar parameter.

        Returns
        -------
        Diagnosis
            As of `FittedGLMM.diagnose`; what answers depend on besides the data is said by ``fit["y1"].diagnose()``.
        """
        return self.convergence

    def __getitem__(self, response: str) -> FittedResponse:
        """Return the fit of one response: its parameters' draws given all responses, under its own names.

        Raises
        ------
        PredictionError
            If there is no such response.
        """
        r = self.number(response)
        return FittedResponse(self.model[response], response_tree(self, r), self)

    def summary(self, ci_prob: float | None = None, random_effects: bool = False) -> Summary:
        """Summarise the posterior.

        Parameters
        ----------
        ci_prob
            Probability of the equal-tailed interval; None for ArviZ's default.
        random_effects
            Whether to list every level's effects too.

        Returns
        -------
        Summary
            As of `FittedGLMM.summary`. Terms begin with their response; correlations across responses are among those
            of their grouping factor, and those of residuals have the group ``"residual"``.

        Raises
        ------
        GLMMError
            If `ci_prob` is no probability.
        """
        return summarize_several(self, ci_prob=ci_prob, random_effects=random_effects)

    def kfold(
        self,
        k: int | None = 10,
        response: str | None = None,
        *,
        random_seed: int | None = None,
        progressbar: bool = True,
    ) -> KFold:
        """Estimate the expected log predictive density of new rows by exact k-fold cross-validation.

        Parameters
        ----------
        k
            Number of folds; None for one for each row.
        response
            The response whose density is meant; None for that of all responses of a row together. Rows are left out
            with all their responses in either case.
        random_seed
            Seed of the folds and the fits.
        progressbar
            Whether to show progress.

        Returns
        -------
        KFold
            As of `bayes_glmm.kfold`. `bayes_glmm.compare` takes it: that of one response beside the k-fold of a model
            of this response alone.

        Raises
        ------
        PredictionError
            If `k` makes no sense or there is no such response.
        SamplingError
            If no fit succeeded.

        Warns
        -----
        DataWarning
            If a fit failed; its rows are left out of the total.
        """
        from bayes_glmm.checks.multivariate import kfold_together

        return kfold_together(self, k, response, random_seed=random_seed, progressbar=progressbar)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write model and posterior to one netCDF file, which `bayes_glmm.load` reads.

        Parameters
        ----------
        path
            The file; one that is there is replaced in one step.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        GLMMError
            If the disk does not allow it, or a family or link is your own.
        """
        from bayes_glmm.inference.store_multivariate import save_together

        return save_together(self, path)

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


@dataclass(frozen=True, eq=False, repr=False)
class FittedResponse(FittedGLMM):
    """The fit of one response among several: a `FittedGLMM` whose draws are given all responses.

    Parameters
    ----------
    model, dt
        As of `FittedGLMM`.
    whole
        The fit of all responses.
    """

    whole: FittedMultivariateGLMM


def load_together(file: OpenFile, single: type[GLMM]) -> FittedMultivariateGLMM:
    """Make a fit of several responses of an open file; raises as `bayes_glmm.load` does."""
    from bayes_glmm.inference.store_multivariate import saved_together

    spec, design, tables = saved_together(file)
    return FittedMultivariateGLMM(MultivariateGLMM._of(spec, design, tables, single), file.dt)
