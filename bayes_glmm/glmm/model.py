"""What users hold of a model. Methods orchestrate; numbers happen in the functions they call."""

from __future__ import annotations

import functools
import inspect
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, Never, cast

import pandas as pd
import xarray as xr

from bayes_glmm.checks.propriety import check_propriety
from bayes_glmm.design.design import Design, build_design
from bayes_glmm.design.tables import column_names
from bayes_glmm.errors import ConvergenceWarning, GLMMError, nearest, warn
from bayes_glmm.families import Family
from bayes_glmm.glmm.fitted import FittedGLMM
from bayes_glmm.inference.fit import assemble_tree
from bayes_glmm.inference.samplers import run_sampler
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.links import Link
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.printing.table import Table
from bayes_glmm.priors import Prior
from bayes_glmm.report.equation import Equation, equation
from bayes_glmm.report.model_card import model_html, model_text
from bayes_glmm.report.pointers import ARGUMENTS_OF_FITS, ARGUMENTS_OF_MODELS, missing_attribute, refuse_keywords
from bayes_glmm.report.provenance import versions_here
from bayes_glmm.spec.model_spec import ModelSpec
from bayes_glmm.spec.multivariate import has_several

if TYPE_CHECKING:
    import graphviz
    import pymc as pm

_ARGUMENTS = (
    "family",
    "families",
    "residual_correlation",
    "link",
    "dpar_formulas",
    "priors",
    "covariances",
    "center",
    "missing",
)
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
        that of a mean of w rows (``weights=`` of lme4). R's ``cbind(k, n - k)``, ``k / n`` with a binomial family and
        brms's ``k | trials(n)`` are read as ``p(k, n)``. Names of columns stand as they are, those with blanks or
        operators in backticks; ``.`` is all columns that are neither response nor grouping factor.
    data
        A pandas or polars DataFrame, an Arrow table, an xarray Dataset (a row for each combination of its dimensions)
        or a dictionary of columns. It is copied, never changed. Text is a factor with sorted levels, digits by number.
    family
        The response distribution: its name, a key of ``bayes_glmm.FAMILIES``, or R's or brms's name of it, with its
        link in parentheses where that is not the default, ``"Gamma(log)"``; or a `Family`. A binomial response without
        trials is 0 or 1.
    families, residual_correlation
        For several responses, ``GLMM(["y1 ~ x + (1 |p| g)", "y2 ~ x + (1 |p| g)"], data, families=["gaussian",
        "poisson"])``: their families, in a list or by response, and whether residuals of Gaussian ones are correlated.
        Terms of one id, ``|p|``, are correlated across responses. brms's ``mvbind(y1, y2) ~ x`` and ``bf(...) +
        bf(...) + set_rescor(TRUE)`` are read, too. The result is a `MultivariateGLMM`; its fit gives that of one
        response as ``fit["y1"]``.
    link
        Name of the link; None for the family's default; of several responses a list or a dictionary. With formulas of
        further parameters a dictionary,
        ``{"mu": "identity", "sigma": "softplus"}``.
    dpar_formulas
        Formulas of further parameters of the family, ``{"sigma": "~ x + (1 | g)"}``, with their own fixed effects,
        group effects and offsets on their own link scale: by default the log of what is positive and the logit of a
        probability. Terms of the same name, ``(1 | p | g)``, are correlated across formulas.
    priors
        `Prior`, or its text, by parameter (``"beta[x]"``), class (``"beta"``, ``"sd"``) or group (``"sd[herd]"``,
        ``"precision[herd]"``): ``priors=dict(beta="Normal(0, 1)", sd="HalfNormal(1)")``.
    covariances
        How levels of a grouping factor are related, by its name: ``{"animal": bg.Pedigree(...)}``, a `Phylogeny`, a
        `Precision`, or a covariance matrix (a DataFrame or DataArray that names its levels). Effects are N(0, sd^2 A).
    center
        Whether the intercept's prior is on the intercept at the predictors' means; False puts it on the raw intercept.
    missing
        ``"drop"`` drops rows with missing values once for all parts of the formula and says so; ``"error"`` refuses
        them; ``"predict"`` keeps those whose response alone is missing, for `FittedGLMM.missing_responses`, and drops
        the others.
    **unknown
        None: other packages' arguments (``offset=``, ``weights=``) are refused with what stands for them here.

    Raises
    ------
    FormulaError
        If the formula cannot be read or asks for something that is not allowed.
    DataError
        If a column is missing, the response does not fit the family, or a covariance lacks levels that are in the
        data.
    PriorError
        If a prior names no parameter of the model, or is flat where the data set no limit.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> list(model.priors["parameter"])[:2]
    ['Intercept', 'beta[period[2]]']
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]
    (4, 1000)
    """

    def __new__(cls, formula: Any = None, data: Any = None, family: Any = "gaussian", **options: Any) -> Any:
        """Make a model of several responses of several formulas, else one of this class."""
        if not has_several(formula):
            return super().__new__(cls)
        from bayes_glmm.glmm.multivariate import MultivariateGLMM

        return MultivariateGLMM.build(formula, data, family, single=cls, **options)

    def __init__(
        self,
        formula: str | Sequence[str],
        data: Any,
        family: str | Family = "gaussian",
        *,
        families: Any = None,
        residual_correlation: bool = False,
        link: str | Link | Mapping[str, str | Link] | None = None,
        dpar_formulas: Mapping[str, str] | None = None,
        priors: Mapping[str, Prior | str] | None = None,
        covariances: Mapping[str, Any] | None = None,
        center: bool = True,
        missing: str = "drop",
        **unknown: Never,
    ) -> None:
        refuse_keywords("GLMM", unknown, ARGUMENTS_OF_MODELS, _ARGUMENTS)
        if families is not None or residual_correlation is not False:
            given = "families" if families is not None else "residual_correlation"
            raise GLMMError(
                f"{given}= is about several responses, GLMM(['y1 ~ x', 'y2 ~ x'], ...), and this is one formula. "
                "The family of one response is family=."
            )
        names = column_names(data)
        spec = ModelSpec.build(
            cast(str, formula),
            family,
            link,
            priors,
            center,
            missing,
            names,
            covariances=covariances,
            dpar_formulas=dpar_formulas,
        )
        self._design = build_design(spec, data)
        self._spec = self._design.spec
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
        return Table(self._prior_table.frame())

    def equation(self) -> Equation:
        """Return the model as LaTeX, which notebooks show as a formula.

        Returns
        -------
        str
            An ``aligned`` environment: response, linear predictor, group effects. At the end of a notebook's cell it
            is shown as MathML, which needs no internet; ``print`` shows the LaTeX.
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
            If a prior is flat: one cannot draw from it. If it reaches linear predictors for which the family has no
            response. If `draws` is no number of draws.

        Warns
        -----
        DataWarning
            If priors are so wide that counts are beyond the largest whole number there is.
        """
        from bayes_glmm.checks.arviz_groups import prior_groups

        return prior_groups(self, draws, random_seed)

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
        settings = replace(settings, random_seed=settings.seed)
        started = time.perf_counter()
        chosen, reason, sampled = run_sampler(method, backend, self._spec, self._design, self._prior_table, settings)
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
        fit = FittedGLMM(self, assemble_tree(self._spec, self._design, sampled, attrs))
        verdict = fit.convergence
        if not verdict.passed and not fit.approximate:
            warn(verdict.verdict, ConvergenceWarning)
        return fit

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):  # a property that failed: its own error
            return object.__getattribute__(self, name)
        raise AttributeError(missing_attribute("GLMM", name, dir(type(self))))

    def __repr__(self) -> str:
        return model_text(self._spec, self._design, self._prior_table)

    def _repr_html_(self) -> str:
        return model_html(self._spec, self._design, self._prior_table)


#: What people see is the signature of __init__, not of __new__, which only chooses the class.
GLMM.__signature__ = inspect.signature(functools.partial(GLMM.__init__, None))  # type: ignore[attr-defined, arg-type]
