"""Fits of one model to several data sets, such as imputations: `fit_multiple` and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, Never

import xarray as xr

from bayes_glmm.checks.convergence import Diagnosis
from bayes_glmm.checks.frames import diagnose_frames
from bayes_glmm.checks.propriety import check_propriety
from bayes_glmm.design.frames import build_frames, listed_frames
from bayes_glmm.design.tables import column_names
from bayes_glmm.errors import ConvergenceWarning, DataError, warn
from bayes_glmm.families import Family
from bayes_glmm.glmm.fitted import FittedGLMM
from bayes_glmm.glmm.model import GLMM
from bayes_glmm.inference.fit import Fit
from bayes_glmm.inference.frames import fit_frames, mixed_tree, parts_of
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.links import Link
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.priors import Prior
from bayes_glmm.report.pointers import ARGUMENTS_OF_FITS, ARGUMENTS_OF_MODELS, refuse_keywords
from bayes_glmm.report.provenance import versions_here
from bayes_glmm.spec.model_spec import ModelSpec

_ARGUMENTS = (
    "family", "link", "dpar_formulas", "priors", "covariances", "center", "missing", "draws", "tune", "chains", "cores",
    "random_seed", "method", "backend", "target_accept", "progressbar", "client",
)  # fmt: skip
#: Other packages' arguments of fits; this function has the model's beside them.
_OF_FITS = {name: words for name, words in ARGUMENTS_OF_FITS.items() if name not in _ARGUMENTS}


@dataclass(frozen=True, eq=False, repr=False)
class PooledGLMM(FittedGLMM):
    """The posteriors of one model given several data sets, mixed: what `fit_multiple` returns.

    Parameters
    ----------
    model
        The model; its design holds the rows of all data sets, one after the other.
    dt
        Groups posterior and sample_stats of all fits; a coordinate ``frame`` (1, 2, ...) along chain.
    fits
        The fit of each data set, with its own rows, as `GLMM.fit` returns it.

    Notes
    -----
    What is about parameters or about rows of yours takes all draws (``summary``, ``hypotheses``, ``predictions`` with
    ``newdata``). `predictions`, `comparisons`, `slopes` and their averages at the fit's own rows take each data set's
    draws at its own rows. What is about the rows of one data set (residuals, `loo`, ``report``) is refused; ask
    it of each of ``fits``.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> sleep = bg.load_dataset("sleepstudy")
    >>> frames = [sleep.assign(Days=sleep["Days"] + shift) for shift in (0.0, 0.1)]
    >>> fit = bg.fit_multiple("Reaction ~ Days + (1 | Subject)", frames, random_seed=1, progressbar=False)
    >>> type(fit).__name__, len(fit.fits), fit.posterior.sizes["chain"]
    ('PooledGLMM', 2, 8)
    """

    fits: tuple[FittedGLMM, ...] = ()

    @property
    def parts(self) -> tuple[FittedGLMM, ...]:
        """The fits whose draws are mixed in this one."""
        return self.fits

    @cached_property
    def convergence(self) -> Diagnosis:
        """The verdict on every data set's draws, as it stands above the summary."""
        return diagnose_frames(self, [fit.convergence for fit in self.fits])

    @cached_property
    def _diagnosis(self) -> Diagnosis:
        return self.convergence


def fit_multiple(
    formula: str,
    frames: Iterable[Any],
    family: str | Family = "gaussian",
    *,
    link: str | Link | Mapping[str, str | Link] | None = None,
    dpar_formulas: Mapping[str, str] | None = None,
    priors: Mapping[str, Prior | str] | None = None,
    covariances: Mapping[str, Any] | None = None,
    center: bool = True,
    missing: str = "drop",
    draws: int | None = None,
    tune: int | None = None,
    chains: int = 4,
    cores: int | None = None,
    random_seed: int | None = None,
    method: str = "nuts",
    backend: str = "auto",
    target_accept: float | None = None,
    progressbar: bool = True,
    client: Any = None,
    **unknown: Never,
) -> PooledGLMM:
    """Fit a model to each of several data sets, such as multiple imputations, and mix the draws.

    Parameters
    ----------
    formula, family, link, dpar_formulas, priors, covariances, center, missing
        As in `GLMM`.
    frames
        Two data sets or more, each as `GLMM` takes one. Rows and levels may differ, columns and what they hold may not.
    draws, tune, chains, cores, random_seed, method, backend, target_accept, progressbar
        As in `GLMM.fit`, for each data set. Each has a seed of its own that follows from `random_seed`.
    client
        A ``distributed.Client`` for the fits; None for this machine's processors.
    **unknown
        None: other packages' arguments are refused with what stands for them here.

    Returns
    -------
    PooledGLMM
        All draws, and each data set's own fit in ``fits``. Its summary has three columns more: ``sd_within``, the root
        of the mean posterior variance given one data set; ``sd_between``, the sd of the posterior means; ``fmi``, the
        fraction of the information about a parameter that is missing, by Rubin's rules.

    Raises
    ------
    GLMMError
        As `GLMM` and `GLMM.fit` raise it; the message says for which data set. If `frames` is no list, or a column
        holds numbers in one data set and text in another.

    Warns
    -----
    DataWarning
        What `GLMM` warns of, with the numbers of the data sets.
    ConvergenceWarning
        If the draws of any data set fail a check of convergence.

    Notes
    -----
    A mixture of the posteriors given imputed data is the posterior given what was observed, as far as the imputations
    are draws of what was not. Splines' knots, levels, categories and reference levels are found in the rows of all data
    sets, and default priors are stated there, once: coefficients mean the same in every data set.

    R-hat over all chains is large where missing values matter. That is no fault of the draws: convergence is judged
    within each data set, and how much they differ is said.

    Mixed draws count the spread between m data sets (1 - 1/m) times, Rubin's rules (1 + 1/m) times. Where that makes a
    difference, ``diagnose()`` says for which parameters, and more imputations are the cure; twenty are rarely too few.

    References
    ----------
    Rubin, D. B. (1987). Multiple Imputation for Nonresponse in Surveys. Wiley. doi:10.1002/9780470316696.
    Zhou, X. and Reiter, J. P. (2010). A note on Bayesian inference after multiple imputation. The American Statistician
    64, 159-163. doi:10.1198/tast.2010.09109.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> sleep = bg.load_dataset("sleepstudy")
    >>> frames = [sleep.assign(Days=sleep["Days"] + shift) for shift in (0.0, 0.1)]
    >>> fit = bg.fit_multiple("Reaction ~ Days + (1 | Subject)", frames, random_seed=1, progressbar=False)
    >>> fit.summary().loc[1, ["term", "sd_within", "sd_between"]].tolist()[0]
    'Days'
    """
    refuse_keywords("fit_multiple", unknown, {**ARGUMENTS_OF_MODELS, **_OF_FITS}, _ARGUMENTS)
    if not isinstance(formula, str):
        raise DataError(
            f"fit_multiple takes the formula first, as GLMM does: fit_multiple('y ~ x', frames), not a "
            f"{type(formula).__name__}."
        )
    if missing == "predict":
        raise DataError(
            "missing='predict' is about the rows of one data set: leave it out and ask it of a fit of each, or impute "
            "the responses, too."
        )
    settings = SamplerSettings(draws, tune, chains, cores, random_seed, target_accept, progressbar)
    tables = listed_frames(frames)
    spec = ModelSpec.build(
        formula,
        family,
        link,
        priors,
        center,
        missing,
        column_names(tables[0]),
        covariances=covariances,
        dpar_formulas=dpar_formulas,
    )
    built, started = build_frames(spec, tables), time.perf_counter()
    table = resolve_priors(spec, built.stacked)
    for design in built.designs:
        check_propriety(design, table)
    models = [GLMM._of(spec, design, table) for design in built.designs]
    sampled = fit_frames(models, settings, method, backend, client)
    attrs = _attrs(sampled, settings, started)
    fit = pooled(GLMM._of(spec, built.stacked, table), models, [one.dt for one in sampled], mixed_tree(sampled, attrs))
    if not fit.convergence.passed and not fit.approximate:
        warn(fit.convergence.verdict, ConvergenceWarning)
    return fit


def _attrs(sampled: Sequence[Fit], settings: SamplerSettings, started: float) -> dict[str, Any]:
    """Say what is recorded of the runs together."""
    return {
        **{name: sampled[0].attrs[name] for name in ("method", "backend", "reason", "inference_library")},
        "interrupted": int(any(one.interrupted for one in sampled)),
        "total_seconds": time.perf_counter() - started,
        "inference_library_version": version("bayes_glmm"),
        "versions": versions_here(),
        "random_seed": settings.seed,
        "frames": len(sampled),
    }


def pooled(model: GLMM, models: Sequence[GLMM], trees: Sequence[xr.DataTree], tree: xr.DataTree) -> PooledGLMM:
    """Put a fit of several data sets together, each data set's draws being views of the mixed ones."""
    parts = tuple(FittedGLMM(own, dt) for own, dt in zip(models, parts_of(tree, trees), strict=True))
    return PooledGLMM(model, tree, parts)
