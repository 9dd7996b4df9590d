"""What users hold of a fit: the posterior with the questions people ask of it, in methods of a few lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_glmm.checks.convergence import Diagnosis, diagnose
from bayes_glmm.design.tables import column_names
from bayes_glmm.errors import DataError, PredictionError
from bayes_glmm.families import Family
from bayes_glmm.inference.fit import Fit, check_whole
from bayes_glmm.links import Link
from bayes_glmm.priors import Prior
from bayes_glmm.report.pointers import missing_attribute
from bayes_glmm.report.summary import Summary, fit_html, fit_text, summarize
from bayes_glmm.spec.formula import parse_formula, with_parameters
from bayes_glmm.spec.parameters import LOCATION
from bayes_glmm.spec.update import updated_formula, updated_parameters

if TYPE_CHECKING:
    import xarray as xr

    from bayes_glmm.glmm.model import GLMM


@dataclass(frozen=True, eq=False)
class FittedGLMM(Fit):
    """The posterior of a `GLMM`, with the questions people ask of it.

    Parameters
    ----------
    model
        The model that was fitted.
    dt
        Groups posterior, sample_stats, observed_data and constant_data, and those that `extend` added, as ArviZ takes
        them; dims chain, draw, obs, coef and those of the grouping factors.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> fit.diagnose().passed
    True
    >>> table = fit.summary()
    >>> table.loc[:1, "term"].tolist(), table.loc[:1, "mean"].round(-1).tolist()
    (['Intercept', 'Days'], [250.0, 10.0])
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
            A verdict in words (``verdict``; wrapped when printed), ``passed``, a Dataset of R-hat and effective sample
            sizes, and ``notes``: separation, sds that cannot be told from zero, priors that decide, factors with few
            levels.
        """
        return self._diagnosis

    def summary(
        self, ci_prob: float | None = None, random_effects: bool = False, exponentiate: bool = False
    ) -> Summary:
        """Summarise the posterior.

        Parameters
        ----------
        ci_prob
            Probability of the equal-tailed interval; None for ArviZ's default.
        random_effects
            Whether to list every group's effects too.
        exponentiate
            Whether the fixed effects are shown as ratios: odds ratios under the logit link, ratios of means under the
            log link. Means, sds and intervals are those of the exponentials of the draws.

        Returns
        -------
        Summary
            A DataFrame: component, group, term, mean, sd, ci_lower, ci_upper, ess_bulk, ess_tail, r_hat; its repr says
            in words what was fitted and whether it converged. ``.to_latex()``, ``.to_markdown()`` and ``.to_html()``
            give what a paper takes.

        Raises
        ------
        GLMMError
            If `ci_prob` is no probability, or the link's coefficients are no logarithms of ratios.
        """
        return summarize(self, ci_prob=ci_prob, random_effects=random_effects, exponentiate=exponentiate)

    def extend(
        self, groups: str | Sequence[str] | None = None, *, prior_draws: int = 500, random_seed: int | None = None
    ) -> FittedGLMM:
        """Add to `dt` what ArviZ's functions read beside the posterior, so that they take it as it is.

        Parameters
        ----------
        groups
            One or several of ``"posterior_predictive"``, ``"log_likelihood"``, ``"log_prior"``, ``"prior"``,
            ``"prior_predictive"``; None for all five. A group that `dt` has already is computed again and replaced;
            nothing else in it changes.
        prior_draws
            Draws from the prior, for the last two.
        random_seed
            Seed of the draws; the same seed gives the same groups.

        Returns
        -------
        FittedGLMM
            This fit, whose `dt` now has the groups; `save` writes them too.

        Raises
        ------
        PredictionError
            If there is no such group.
        SamplingError
            If draws from the prior are asked for and a prior is flat, or `prior_draws` is no number of draws.

        Notes
        -----
        posterior_predictive and log_likelihood hold 8 bytes for each posterior draw and row: 4000 draws of 1000 rows
        take 32 MB each, of 100 000 rows 3.2 GB each. The groups of the prior hold 8 bytes for each prior draw and row.
        Where memory is short, name the groups you need.

        log_likelihood is that of the responses given the fitted groups' effects, as in other packages. ``az.loo`` of it
        is too high where groups have few rows; `bayes_glmm.loo` integrates their effects out. log_prior has a density
        for each prior, under the posterior's names; that of the groups' effects given their sds is in neither group, so
        ``az.psense`` finds less likelihood behind an sd than `bayes_glmm.prior_sensitivity`, which counts it.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
        >>> fit = model.fit(method="laplace", random_seed=1, progressbar=False)
        >>> list(fit.extend(["log_prior", "log_likelihood"]).dt.children)[-2:]
        ['log_likelihood', 'log_prior']

        Now ``az.psense_summary(fit.dt)``, ``az.loo(fit.dt)`` and ``az.compare({"a": fit.dt, "b": other.dt})`` work, and
        after ``fit.extend()`` plots such as ``az.plot_ppc_dist(fit.dt)`` and ``az.plot_prior_posterior(fit.dt)``.
        """
        from bayes_glmm.checks.arviz_groups import arviz_groups

        check_whole(self, "extend")

        self.dt.update(arviz_groups(self, groups, prior_draws=prior_draws, random_seed=random_seed))
        return self

    def missing_responses(self, *, draws: int | None = None, random_seed: int | None = None) -> xr.DataArray:
        """Draw the responses that are missing in the data, where the model was made with ``missing="predict"``.

        Parameters
        ----------
        draws
            Draws to use from each chain, evenly spaced; None uses all.
        random_seed
            Seed of the responses, and of the effects of levels without any response.

        Returns
        -------
        xarray.DataArray
            Dims chain, draw, obs: draws from the posterior predictive distribution of each row whose response is
            missing, under the labels of your rows; successes for families with trials, codes 0, 1, ... for ordered
            categories, whose labels are in ``attrs``.

        Raises
        ------
        PredictionError
            If no response is missing, or the rows were dropped.

        Notes
        -----
        A response that was not seen says nothing about the parameters, as long as why it is missing depends on nothing
        but what the model holds (missing at random): the posterior is that without these rows. Levels of grouping
        factors have their fitted effects; a level none of whose rows has a response is one of the population.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> sleep = bg.load_dataset("sleepstudy")
        >>> sleep.loc[sleep.index[-2:], "Reaction"] = float("nan")
        >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", sleep, missing="predict")
        >>> fit = model.fit(random_seed=1, progressbar=False)
        >>> fit.missing_responses(random_seed=1)["obs"].values.tolist()
        [178, 179]
        """
        from bayes_glmm.predict.draws import missing_responses

        return missing_responses(self, draws=draws, random_seed=random_seed)

    def update(
        self,
        formula: str | None = None,
        data: Any = None,
        *,
        family: str | Family | None = None,
        link: str | Link | Mapping[str, str | Link] | None = None,
        dpar_formulas: Mapping[str, str] | None = None,
        priors: Mapping[str, Prior | str] | None = None,
        covariances: Mapping[str, Any] | None = None,
        center: bool | None = None,
        missing: str | None = None,
        **sampling: Any,
    ) -> FittedGLMM:
        """Fit a changed model, as R's ``update`` does: what is not given stays as it was stated.

        Parameters
        ----------
        formula
            The new formula, in which a dot stands for that side of the old one: ``". ~ . + x"``, ``"~ . - (1 | g)"``.
        data
            The new data. None for those of this fit: its rows without missing values and the columns of its formula,
            so that a formula with further columns needs the data again.
        family, link
            As in `GLMM`; a new family has its own default link.
        dpar_formulas
            All formulas of further parameters, in the place of the old ones; ``{}`` for none. A dot stands for the
            parameter's old formula: ``{"sigma": "~ . + x"}``.
        priors
            All priors stated, in the place of the old ones; ``{}`` for the defaults.
        covariances
            All known covariances, in the place of the old ones; None keeps those of factors that are still there.
        center, missing
            As in `GLMM`.
        **sampling
            Arguments of `GLMM.fit`. The method stays; the others have their defaults again.

        Returns
        -------
        FittedGLMM
            The new fit; this one stays as it is.

        Raises
        ------
        GLMMError
            As `GLMM` and `GLMM.fit` raise it.
        PredictionError
            If the fit is of several data sets.

        Warns
        -----
        ConvergenceWarning
            If any parameter fails a check of convergence.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> model = bg.GLMM("Reaction ~ Days + (1 | Subject)", bg.load_dataset("sleepstudy"))
        >>> fit = model.fit(random_seed=1, progressbar=False)
        >>> slopes = fit.update(". ~ . - (1 | Subject) + (Days | Subject)", random_seed=1, progressbar=False)
        >>> str(slopes.model.spec.formula)
        'Reaction ~ Days + (Days | Subject)'
        """
        check_whole(self, "update")
        if len(self.parts) > 1:
            raise PredictionError(
                "A fit of several data sets is not updated: call fit_multiple(formula, frames) again."
            )
        spec = self.model.spec
        own = spec.formula.stated
        dpar_formulas = own if dpar_formulas is None else updated_parameters(own, dpar_formulas)
        if link is None and family is None:
            link = {LOCATION: spec.link, **{name: one for name, one in spec.links if name in dpar_formulas}}
        text = spec.formula.text if formula is None else updated_formula(spec.formula.text, formula)
        rows = self.model.design.given if data is None else data
        if covariances is None and spec.covariances:
            names = column_names(rows)
            factors = {bar.name for bar in with_parameters(parse_formula(text, names), dpar_formulas, names).all_bars}
            covariances = {name: structure for name, structure in spec.covariances if name in factors}
        try:
            model = type(self.model)(
                text,
                rows,
                family=spec.family if family is None else family,
                link=link,
                dpar_formulas=dpar_formulas,
                priors=dict(spec.priors) if priors is None else priors,
                covariances=covariances,
                center=spec.center if center is None else center,
                missing=spec.missing if missing is None else missing,
            )
        except DataError as error:
            if data is None:
                error.add_note("update() took rows and columns of the fit; give the data again for others (data=).")
            raise
        return model.fit(**{"method": self.attrs["method"], **sampling})

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

        check_whole(self, "save")

        return save_fit(self, path)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        question: str | None = None,
        title: str | None = None,
        ci_prob: float | None = None,
    ) -> Path:
        """Write a report: one file that opens in any browser, prints, and needs no internet.

        Parameters
        ----------
        path
            A file that ends in ``.html``; or in ``.md`` for Markdown, whose figures are put into the folder
            ``<name>_files`` beside it. One that is there is replaced in one step.
        question
            What was asked, in a sentence or two; it stands at the top.
        title
            Its title; None for one that names response and model.
        ci_prob
            Probability of the equal-tailed intervals; None for ArviZ's default.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        GLMMError
            If the file cannot be written or ends in something else, or an argument is not what it should be.

        Notes
        -----
        It says, in this order: whether the draws can be relied on; what each predictor does on the response's own
        scale, for a typical group and averaged over groups, in sentences, a table and figures; how groups differ; what
        priors decide, whether the model makes such data, and what residuals show; formula, equation and priors; all
        estimates; and the lines that make the fit again, with versions and seed.

        What would take long is limited, and the report says so: averages of large data are over some of the rows,
        evenly spaced; beyond 100 000 rows no data are simulated. The same fit gives the same file.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
        >>> fit = model.fit(method="laplace", random_seed=1, progressbar=False)
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "sleep.html"
        >>> fit.report(path, question="How much slower are reactions after each night of short sleep?").name
        'sleep.html'
        """
        from bayes_glmm.report.written import write_report

        return write_report(self, path, question=question, title=title, ci_prob=ci_prob)

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):  # a property that failed: its own error
            return object.__getattribute__(self, name)
        raise AttributeError(missing_attribute("FittedGLMM", name, dir(type(self))))

    def __repr__(self) -> str:
        return fit_text(self)

    def _repr_html_(self) -> str:
        return fit_html(self)
