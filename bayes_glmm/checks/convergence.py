"""The verdict on convergence, on every scalar parameter of a fit.

Input: a `Fit`. Output: a `Diagnosis`: whether the draws can be trusted, why not, and what to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.inference.effective_size import MIN_DRAWS, effective_size
from bayes_glmm.inference.fit import AnyFit
from bayes_glmm.inference.scalars import population_scalars
from bayes_glmm.printing.document import Verdict
from bayes_glmm.printing.grid import wrapped
from bayes_glmm.printing.html import fragment
from bayes_glmm.spec.multivariate import RESIDUAL

Array = npt.NDArray[np.float64]

MAX_R_HAT = 1.01
MIN_ESS = 400.0
MIN_E_BFMI = 0.3
STATISTICS = ("r_hat", "ess_bulk", "ess_tail")
#: Samplers' names for "the trajectory was cut at the greatest tree depth".
DEPTH_FLAGS = ("maxdepth_reached", "reached_max_treedepth")
_SHOWN = 3
#: Divergences below which they have no place, and how far their mean rank must lie from the middle to have one.
_FEWEST_PLACED, _APART = 3, 0.15


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Whether the draws can be trusted.

    Parameters
    ----------
    passed
        Whether every check was made and passed. Never True for approximate fits: nothing there was checked.
    problems
        One sentence per check that failed or could not be made, the worst parameters named.
    advice
        What to do about them.
    opening
        What was looked at, in a sentence.
    dataset
        R-hat, bulk and tail effective sample size: the posterior's variables with a leading dim ``statistic``, NaN for
        constants; ``e_bfmi`` over chain. Attributes ``divergences`` and ``max_depth_hits`` are -1 where the sampler
        does not record them.
    notes
        What the answers depend on besides the data, a sentence or two each: separation, sds at zero, priors that
        decide, factors with few levels. They leave `passed` as it is.
    """

    passed: bool
    problems: tuple[str, ...]
    advice: tuple[str, ...]
    opening: str
    dataset: xr.Dataset
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """What was checked, what failed, and what to do."""
        return self.block().text

    def block(self) -> Verdict:
        """Return the verdict as a block of a document.

        Returns
        -------
        Verdict
            Opening, problems, advice and notes.
        """
        return Verdict(self.passed, self.opening, self.problems, " ".join(self.advice), self.notes)

    @property
    def divergences(self) -> int | None:
        """Number of divergent transitions after warm-up; None where the sampler does not record them."""
        return _recorded(self.dataset.attrs["divergences"])

    @property
    def max_depth_hits(self) -> int | None:
        """Number of trajectories cut at the greatest depth; None where the sampler does not record them."""
        return _recorded(self.dataset.attrs["max_depth_hits"])

    def __str__(self) -> str:
        return wrapped(self.verdict)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return fragment(self.block())


def _recorded(number: int) -> int | None:
    return None if number < 0 else number


@dataclass(frozen=True)
class _Finding:
    """A check that failed or could not be made, and what to do about it."""

    problem: str
    advice: str


def diagnose(fit: AnyFit) -> Diagnosis:
    """Judge convergence on every scalar parameter.

    Parameters
    ----------
    fit
        A fitted model.

    Returns
    -------
    Diagnosis
        Passed only if every scalar has R-hat below 1.01 and bulk and tail effective sample sizes of at least 400, no
        transition diverged or was cut at the greatest depth, and every chain's E-BFMI is at least 0.3.

    Notes
    -----
    Constants (a correlation matrix's diagonal, correlations that are zero by the formula) are left out. With one chain
    R-hat cannot see chains that disagree: the verdict says so and does not pass.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter, Burkner (2021), Bayesian Analysis 16, doi:10.1214/20-BA1221; Betancourt (2016),
    arXiv:1604.00695 (E-BFMI).
    """
    dataset = convergence_statistics(fit)
    chains, draws = fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]
    drawn = f"{chains} chain{'s' * (chains > 1)} of {draws} draws"
    if fit.approximate:
        method = fit.attrs["method"]
        opening = f"Approximate ({method}): the draws are not the posterior's but an approximation's."
        advice = ("Fit with method='nuts' before you rely on intervals.",)
        none = "Checks of convergence do not apply: none was made."
        missed = (finding.problem for finding in _mode_findings(fit, []))
        return Diagnosis(False, (none, *missed), advice, opening, dataset)
    place = _place_of_divergences(fit) if dataset.attrs["divergences"] > 0 else ""
    run = _sampler_findings(dataset, place, _smaller_steps(fit))
    scalars = list(_scalar_findings(dataset, chains, draws))
    findings = [*_run_findings(fit), *_mode_findings(fit, scalars), *scalars, *run]
    if findings:
        opening = f"Do not rely on these draws yet ({drawn}):"
        problems = tuple(finding.problem for finding in findings)
        tips = tuple(dict.fromkeys(finding.advice for finding in findings if finding.advice))
        return Diagnosis(False, problems, tips, opening, dataset)
    values = parameter_statistics(dataset)
    worst = f"R-hat at most {shown_r_hat(values[0].max())}, effective draws at least {math.floor(values[1:].min())}"
    opening = f"Converged: every check passed on all {values.shape[1]} parameters ({drawn}; {worst})."
    return Diagnosis(True, (), (), opening, dataset)


def shown_r_hat(value: float) -> str:
    """Write R-hat with three digits, or with as many as tell it from the limit that it is below."""
    digits = next((n for n in range(3, 7) if round(value, n) < MAX_R_HAT), 3) if value < MAX_R_HAT else 3
    return f"{value:.{digits}f}"


def convergence_statistics(fit: AnyFit) -> xr.Dataset:
    """Compute R-hat and effective sample sizes of every scalar, and the sampler's own signs of trouble.

    Parameters
    ----------
    fit
        A fitted model.

    Returns
    -------
    xarray.Dataset
        As ``Diagnosis.dataset``.
    """
    dataset = xr.Dataset(coords={"statistic": list(STATISTICS)})
    free = _free_correlations(fit)
    for name, variable in fit.posterior.data_vars.items():
        statistics = _variable_statistics(variable, free.get(str(name)))
        # independent draws from an approximation would look perfect and say nothing about its error
        dataset[name] = xr.full_like(statistics, np.nan) if fit.approximate else statistics
    stats = fit.dt["sample_stats"].to_dataset() if "sample_stats" in fit.dt else xr.Dataset()
    if "energy" in stats and stats.sizes["draw"] >= MIN_DRAWS:
        dataset["e_bfmi"] = ("chain", energy_fraction(stats["energy"].transpose("chain", "draw").values))
    dataset.attrs = {"divergences": _total(stats, ("diverging",)), "max_depth_hits": _total(stats, DEPTH_FLAGS)}
    return dataset


def energy_fraction(energy: Array) -> Array:
    """Estimate each chain's Bayesian fraction of missing information.

    Parameters
    ----------
    energy
        Hamiltonian at each draw, dims (chain, draw).

    Returns
    -------
    numpy.ndarray
        E-BFMI, dims (chain): mean squared change of the energy over its variance.

    References
    ----------
    Betancourt (2016), arXiv:1604.00695.
    """
    return np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1, ddof=1)


def _free_correlations(fit: AnyFit) -> dict[str, npt.NDArray[np.bool_]]:
    """Return, for each correlation matrix, which entries of its lower triangle are parameters."""
    free = {}
    for term in fit.model.design.groups:
        mask = np.zeros((len(term.coefs), len(term.coefs)), dtype=bool)
        for block in term.blocks:
            mask[np.ix_(block, block)] = True
        free[f"corr_{term.name}"] = np.tril(mask, -1)
    if RESIDUAL in fit.posterior and fit.posterior[RESIDUAL].ndim == 4:
        free[RESIDUAL] = np.tril(np.ones(fit.posterior[RESIDUAL].shape[2:], dtype=bool), -1)
    return free


def _variable_statistics(variable: xr.DataArray, free: npt.NDArray[np.bool_] | None) -> xr.DataArray:
    own = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    ordered = variable.transpose("chain", "draw", *own)
    shape = ordered.shape[2:]
    # a view: blocks of scalars are copied one after the other
    draws = np.moveaxis(ordered.values.reshape(*ordered.shape[:2], -1), 2, 0)
    values = np.full((len(STATISTICS), len(draws)), np.nan)
    kept = slice(None) if free is None else np.flatnonzero(free)
    sizes = effective_size(draws[kept])
    values[:, kept] = sizes.r_hat, sizes.ess_bulk, sizes.ess_tail
    values = values.reshape(len(STATISTICS), *shape)
    if free is not None:
        # the upper triangle repeats the lower
        values = np.where(free.T, values.swapaxes(1, 2), values)
    coords = {dim: variable.coords[dim] for dim in own if dim in variable.coords}
    return xr.DataArray(values, dims=("statistic", *own), coords=coords)


def _total(stats: xr.Dataset, names: tuple[str, ...]) -> int:
    found = [name for name in names if name in stats]
    return int(stats[found[0]].sum()) if found else -1


def _labelled(dataset: xr.Dataset) -> Iterator[tuple[str, xr.DataArray]]:
    yield from ((str(name), values) for name, values in dataset.data_vars.items() if "statistic" in values.dims)


def _scalars(name: str, values: xr.DataArray) -> npt.NDArray[np.intp]:
    """Return the flat indices of the entries that are parameters, each once."""
    shape = values.shape[1:]
    if (name.startswith("corr_") or name == RESIDUAL) and len(shape) == 2:
        return np.flatnonzero(np.triu(~np.isnan(values.values[1]), 1))
    return np.arange(int(np.prod(shape)))


def parameter_statistics(dataset: xr.Dataset) -> Array:
    """Return the statistics of all parameters of a ``Diagnosis.dataset``, shape (3, parameters)."""
    blocks = [values.values.reshape(3, -1)[:, _scalars(name, values)] for name, values in _labelled(dataset)]
    return np.concatenate(blocks, axis=1)


def parameter_label(dataset: xr.Dataset, position: int) -> str:
    """Name the parameter at that position of `parameter_statistics`, as in ``sd_herd[Intercept]``."""
    for name, values in _labelled(dataset):
        scalars = _scalars(name, values)
        if position < len(scalars):
            index = np.unravel_index(scalars[position], values.shape[1:])
            labels = [str(values.coords[dim].values[i]) for dim, i in zip(values.dims[1:], index, strict=True)]
            return f"{name}[{', '.join(labels)}]" if labels else name
        position -= len(scalars)
    raise IndexError(position)


def _run_findings(fit: AnyFit) -> Iterator[_Finding]:
    if fit.interrupted:
        draws = fit.posterior.sizes["draw"]
        yield _Finding(f"The run was interrupted: {draws} draws per chain were kept.", "Let the run finish.")


def _mode_findings(fit: AnyFit, others: list[_Finding]) -> Iterator[_Finding]:
    """Say what the search found before the run where chains do not show that they cross between modes."""
    modes, without = fit.attrs.get("modes"), int(fit.attrs.get("modes_without_chain", 0))
    if modes and (others or without):
        where = f"no chain started at {without} of them" if without else "chains do not show that they cross"
        yield _Finding(
            f"The posterior has {modes}, and {where}: the draws do not say how likely each is.",
            "Look at which prior disagrees with the data (prior_sensitivity, or fits with one prior less), and state "
            "one that both can live with.",
        )


def _scalar_findings(dataset: xr.Dataset, chains: int, draws: int) -> Iterator[_Finding]:
    if draws < MIN_DRAWS:
        yield _Finding(
            f"Not checked: {draws} draws per chain are too few to judge anything.", "Draw more: fit(draws=1000)."
        )
        return
    r_hat, bulk, tail = parameter_statistics(dataset)
    if chains == 1:
        yield _Finding(
            "R-hat was not checked: with one chain nothing tells whether chains agree.",
            "Run four chains: fit(chains=4).",
        )
        yield from _size_findings(dataset, bulk, tail, draws)
        return
    disagreements = list(_agreement_findings(dataset, r_hat))
    yield from disagreements
    for finding in _size_findings(dataset, bulk, tail, draws):
        # where chains disagree nobody knows how many draws would do
        yield _Finding(finding.problem, "") if disagreements else finding


def _agreement_findings(dataset: xr.Dataset, r_hat: Array) -> Iterator[_Finding]:
    stuck = ~np.isfinite(r_hat)
    if stuck.any():
        names = ", ".join(parameter_label(dataset, int(i)) for i in np.flatnonzero(stuck)[:_SHOWN])
        yield _Finding(
            f"{_of(stuck)} did not move in some chain, or are not numbers: {names}.",
            "Look at the data and priors of these parameters.",
        )
    high = ~stuck & (r_hat >= MAX_R_HAT)
    if high.any():
        yield _Finding(
            f"R-hat is {MAX_R_HAT} or more for {_of(high)}: the chains disagree; worst "
            f"{_worst(dataset, np.where(high, -r_hat, np.inf), r_hat, '.3f')}.",
            "Run longer, warm-up included (fit(tune=2000, draws=2000)); where that does not help, the data may not "
            "tell these parameters apart: simplify the formula or state narrower priors.",
        )


def _size_findings(dataset: xr.Dataset, bulk: Array, tail: Array, draws: int) -> Iterator[_Finding]:
    low = {"bulk": bulk < MIN_ESS, "tail": tail < MIN_ESS}
    fewest = float(np.nanmin([bulk, tail])) if any(failed.any() for failed in low.values()) else MIN_ESS
    wanted = _round_up(1.2 * draws * MIN_ESS / max(fewest, 1.0))
    for (place, failed), values in zip(low.items(), (bulk, tail), strict=True):
        if failed.any():
            yield _Finding(
                f"Fewer than {MIN_ESS:.0f} effective draws ({place}) for {_of(failed)}; fewest "
                f"{_worst(dataset, np.where(failed, values, np.inf), values, '.0f')}.",
                f"At this rate {wanted} draws per chain reach {MIN_ESS:.0f}: fit(draws={wanted}).",
            )


def _of(failed: npt.NDArray[np.bool_]) -> str:
    return f"{int(failed.sum())} of {len(failed)} parameters"


def _worst(dataset: xr.Dataset, order: Array, values: Array, spec: str) -> str:
    first = np.argsort(order, kind="stable")[:_SHOWN]
    return ", ".join(f"{parameter_label(dataset, int(i))} {values[i]:{spec}}" for i in first if np.isfinite(order[i]))


def _round_up(number: float) -> int:
    unit = 10 ** max(2, int(math.log10(number)) - 1)
    return int(math.ceil(number / unit) * unit)


def _place_of_divergences(fit: AnyFit) -> str:
    """Say where in the posterior divergent transitions ended, where they have a place."""
    flags = fit.dt["sample_stats"]["diverging"].transpose("chain", "draw").to_numpy().ravel()
    if not _FEWEST_PLACED <= flags.sum() <= flags.size // 2:
        return ""
    scalars = population_scalars(fit.posterior, fit.model.design)
    best, words = _APART, ""
    for name, values in scalars.items():
        draws = values.transpose("chain", "draw").to_numpy().ravel()
        rank = np.argsort(np.argsort(draws, kind="stable"), kind="stable") / (len(draws) - 1)
        apart = float(rank[flags].mean() - 0.5)
        if abs(apart) > best:
            best, here, everywhere = abs(apart), np.median(draws[flags]), np.median(draws)
            side = "small" if apart < 0 else "large"
            words = f" They gather where {name} is {side} (median {here:.2g}, of all draws {everywhere:.2g})."
    return words


def _smaller_steps(fit: AnyFit) -> str:
    """Advise more than this run has had: a second run has 0.95 already."""
    had = float(fit.attrs.get("target_accept", 0.0))
    for accept, tune in ((0.95, ""), (0.99, ", tune=2000"), (0.998, ", tune=2000")):
        if had < accept:
            return f"Take smaller steps: fit(target_accept={accept:g}{tune})."
    return "State narrower priors: smaller steps than these hardly help."


def _sampler_findings(dataset: xr.Dataset, place: str, smaller_steps: str) -> Iterator[_Finding]:
    divergences, cut = dataset.attrs["divergences"], dataset.attrs["max_depth_hits"]
    if divergences < 0:
        yield _Finding("Divergences were not checked: this sampler does not record them.", "")
    if divergences > 0:
        yield _Finding(
            f"{divergences} transition{'s' * (divergences > 1)} diverged: some region of the posterior may be missed."
            f"{place}",
            smaller_steps,
        )
    if cut > 0:
        yield _Finding(
            f"{cut} trajector{'ies were' if cut > 1 else 'y was'} cut at the greatest depth: sampling is slow.",
            "Bring predictors to similar scales, or state narrower priors.",
        )
    if "e_bfmi" in dataset and bool((dataset["e_bfmi"] < MIN_E_BFMI).any()):
        low = dataset["e_bfmi"]
        yield _Finding(
            f"E-BFMI is below {MIN_E_BFMI} in {int((low < MIN_E_BFMI).sum())} of {low.size} chains "
            f"(lowest {float(low.min()):.2f}): the tails are explored slowly.",
            "Warm up longer (fit(tune=2000)), or state narrower priors for the group sds.",
        )
