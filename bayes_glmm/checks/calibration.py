"""Simulation-based calibration: whether the sampler is right for this very model, its data and its priors.

Input: a model. Output: a `Calibration`. Parameters are drawn from the prior, responses from them, the model is fitted
to the responses, and the rank of every true value among its posterior draws is kept: uniform where all is right.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import as_whole, checked_seed, in_words, own_arguments
from bayes_glmm.checks.uniform_ranks import rank_band, rank_p_value
from bayes_glmm.errors import DataWarning, PredictionError, SamplingError
from bayes_glmm.inference.effective_size import effective_size
from bayes_glmm.inference.fit import Fit, check_model
from bayes_glmm.inference.prior import sample_prior
from bayes_glmm.inference.refit import Failure, RefittedModel, refit, run_tasks, with_response
from bayes_glmm.inference.scalars import population_scalars
from bayes_glmm.inference.settings import SamplerSettings
from bayes_glmm.predict.draws import posterior_predictive, response_name, total_log_likelihood
from bayes_glmm.printing.document import Verdict
from bayes_glmm.printing.grid import wrapped
from bayes_glmm.printing.html import fragment
from bayes_glmm.printing.table import Table

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Model

Array = npt.NDArray[np.float64]
Quantity = Callable[[xr.Dataset, Array], Any]

#: Draws a rank is counted among; few enough of a fit's that they are as good as independent.
RANKED = 99
_LEVEL = 0.05
_NOTABLE = 2.0  # standard errors
_MAX_R_HAT = 1.05
_TOLERATED = 0.05  # share of simulations without a usable fit
#: Counts above this have log densities that a double does not resolve: no sampler can tell them apart.
_MOST_RESOLVED = 1e10
#: Responses a family cannot have, which drawing them can give by overflow and underflow.
_OUTSIDE: Mapping[str, Callable[[Array], bool]] = {
    "positive": lambda y: bool(np.any(y <= 0)),
    "unit": lambda y: bool(np.any((y <= 0) | (y >= 1))),
    "unit_zero": lambda y: bool(np.any(y >= 1)),
    "count": lambda y: bool(np.any(y > _MOST_RESOLVED)),
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Whether the posterior is calibrated under the model's own prior.

    Parameters
    ----------
    table
        A row for each quantity: p_value (of uniform ranks), adjusted (Holm, over the quantities), mean (of the ranks,
        0.5 where right), spread (their variance over that of a uniform, 1 where right), verdict.
    ranks
        ``rank`` (simulation, quantity), 0 to 99 among 99 posterior draws; ``truth`` of the same dims; ``lower`` and
        ``upper`` over ``position``: the simultaneous 95 % band of the ranks' distribution function.
    simulations
        Data sets asked for.
    degenerate
        Why data sets could not be fitted -> how many; they are left out, which does not bias the ranks.
    constant
        Fitted data sets whose responses are all the same.
    failures
        Fits that raised.
    unconverged
        Fits in which a quantity's R-hat is above 1.05; their ranks count.
    """

    table: Table
    ranks: xr.Dataset
    simulations: int
    degenerate: Mapping[str, int]
    constant: int
    failures: tuple[Failure, ...]
    unconverged: int

    @property
    def passed(self) -> bool:
        """Whether all ranks may be uniform and at most 5 % of the fits failed or did not converge."""
        trouble = len(self.failures) + self.unconverged
        return bool((self.table["adjusted"] >= _LEVEL).all()) and trouble <= _TOLERATED * self.simulations

    @property
    def verdict(self) -> str:
        """What was found, in sentences."""
        fitted, wrong = self.ranks.sizes["simulation"], self.table["adjusted"] < _LEVEL
        opening = "Calibrated" if self.passed else "Not calibrated"
        lines = [f"{opening}: {len(self.table)} quantities in {fitted} simulated data sets."]
        lines += [f"- {name}: {self.table.loc[name, 'verdict']}" for name in self.table.index[wrong]]
        if self.unconverged:
            lines.append(f"- {self.unconverged} fits did not converge (R-hat above {_MAX_R_HAT}); their ranks count.")
        for reason, count in Counter(failure.reason for failure in self.failures).most_common(3):
            lines.append(f"- {count} fits failed: {reason}")
        for reason, count in self.degenerate.items():
            lines.append(f"- {count} draws of the prior made data that no model can be fitted to: {reason}.")
        if self.constant:
            lines.append(f"- In {self.constant} data sets all responses are the same: narrower priors would be wiser.")
        return "\n".join(lines)

    def __str__(self) -> str:
        return wrapped(self.verdict)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        first, *rest = self.verdict.split("\n")
        found = tuple(line.removeprefix("- ") for line in rest)
        return fragment(Verdict(self.passed, first, found), self.table.grid())


@dataclass(frozen=True, eq=False)
class _Simulation:
    """A task: one simulated data set."""

    model: RefittedModel
    truth: xr.Dataset
    quantities: Mapping[str, Quantity]
    seed: int


@own_arguments
def sbc(
    model: Any,
    simulations: int = 100,
    *,
    fitted: Any = None,
    quantities: Mapping[str, Quantity] | None = None,
    client: Any = None,
    random_seed: int | None = None,
    progressbar: bool = True,
) -> Calibration:
    """Check by simulation that the posterior of a model is computed rightly.

    Parameters
    ----------
    model
        The model: its priors, predictors and groups; the responses it was given are not used.
    simulations
        Data sets to simulate.
    fitted
        The model to fit to them; None for `model` itself. One with another prior, say, shows what a mistake looks like.
    quantities
        Name -> function of the draws (a Dataset over chain and draw) and the simulated responses (rows,), which returns
        one number a draw. Ranked anyway: parameters, the joint log likelihood, effects of each factor's first level.
    client
        A ``distributed.Client``; None for this machine's processors.
    random_seed
        Seed; the same seed gives the same ranks, wherever the fits run.
    progressbar
        Whether to show progress.

    Returns
    -------
    Calibration
        Verdict, table and ranks; `bayes_glmm.plots.calibration` draws them.

    Raises
    ------
    SamplingError
        If a prior is flat, or no data set could be fitted.
    PredictionError
        If the responses have weights (there is no way to draw such responses), or an argument makes no sense.

    Notes
    -----
    Data sets are left out for what their responses are alone, which keeps the ranks of the others uniform.

    References
    ----------
    Talts, S., Betancourt, M., Simpson, D., Vehtari, A. and Gelman, A. (2018). Validating Bayesian inference algorithms
    with simulation-based calibration. arXiv:1804.06788.
    Modrak, M., Moon, A. H., Kim, S., Burkner, P., Huurre, N., Faltejskova, K., Gelman, A. and Vehtari, A. (2023).
    Simulation-based calibration checking for Bayesian computation: the choice of test quantities shapes sensitivity.
    Bayesian Analysis 20, 461-488. doi:10.1214/23-BA1404.
    Sailynoja, T., Burkner, P.-C. and Vehtari, A. (2022). Graphical test for discrete uniformity and its applications in
    goodness-of-fit evaluation and multiple sample comparison. Statistics and Computing 32, 32.
    doi:10.1007/s11222-022-10090-6.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Yield ~ 1 + (1 | Batch)", bg.load_dataset("Dyestuff"))
    >>> result = bg.sbc(model, simulations=10, random_seed=1, progressbar=False)
    >>> result.table.index.tolist()[:2]
    ['beta[Intercept]', 'sd_Batch[Intercept]']
    """
    simulations = as_whole("simulations", simulations)
    if simulations < 10:
        raise PredictionError(f"simulations={simulations}: fewer than 10 say nothing; 100 find gross mistakes.")
    functions = list(quantities.values()) if isinstance(quantities, Mapping) else [quantities]
    if quantities is not None and not all(map(callable, functions)):
        raise PredictionError(f"quantities= takes a dict from names to functions, not {in_words(quantities)}.")
    target = model if fitted is None else fitted
    for one in (model, target):
        check_model(one)
        if one.design.response.weights is not None:
            raise PredictionError("Responses with weights cannot be drawn, so such a model cannot be calibrated.")
    if target.design.response.y.shape != model.design.response.y.shape:
        raise PredictionError("fitted: the two models have different rows.")
    seed = checked_seed(random_seed)
    prior = sample_prior(model.design, model.prior_table, simulations, seed)
    seeds = np.random.SeedSequence(seed, spawn_key=(5,)).generate_state(simulations)
    drawn = [_draw_data(model, prior.isel(draw=[i]), int(s)) for i, s in enumerate(seeds)]
    tasks, degenerate = [], Counter(outcome for outcome in drawn if isinstance(outcome, str))
    for outcome, one_seed in zip(drawn, seeds, strict=True):
        if not isinstance(outcome, str):
            truth, y = outcome
            tasks.append(_Simulation(with_response(target, y), truth, dict(quantities or {}), int(one_seed)))
    if not tasks:
        raise SamplingError(
            f"No draw of the prior gave data that can be fitted: {dict(degenerate)}. Narrow the priors."
        )
    results = run_tasks(_rank_one, tasks, client=client, progressbar=progressbar, label="Fitting simulated data")
    done = [result for result in results if not isinstance(result, Failure)]
    responses = [task.model.design.response for task in tasks]
    ranks = xr.concat([ranked for ranked, _ in done], dim="simulation")
    return Calibration(
        table=_table(ranks["rank"]),
        ranks=ranks.merge(_band(len(done))).assign_attrs(seed=seed, ranked=RANKED),
        simulations=simulations,
        degenerate=dict(degenerate),
        constant=sum(response is not None and np.ptp(response.y) == 0 for response in responses),
        failures=tuple(result for result in results if isinstance(result, Failure)),
        unconverged=sum(not converged for _, converged in done),
    )


def _draw_data(model: Model, draw: xr.Dataset, seed: int) -> tuple[xr.Dataset, Array] | str:
    """Draw responses from one draw of the prior, or say why no model could be fitted to them."""
    fit = Fit(model, xr.DataTree.from_dict({"posterior": draw}))
    try:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # of counts too large, which are counted below
            tree = posterior_predictive(fit, random_seed=seed)
    except PredictionError:
        return "linear predictors for which the family has no response"
    except (ValueError, OverflowError):  # what numpy refuses to draw
        return "responses too large for a computer"
    y = tree["posterior_predictive"][response_name(fit)].to_numpy().reshape(-1)
    if not np.isfinite(y).all():
        return "responses that are not finite"
    outside = _OUTSIDE.get(model.spec.family.support)
    if outside is not None and outside(y):
        return "responses at the edge of what the family allows, or too large for a computer"
    return draw, y


def _rank_one(task: _Simulation) -> tuple[xr.Dataset, bool]:
    """Fit one data set and rank its true values: the ranks, and whether the fit converged."""
    fit = refit(task.model, SamplerSettings(None, None, 4, 1, task.seed, None, False))
    true = _quantities(Fit(task.model, xr.DataTree.from_dict({"posterior": task.truth})), task.quantities)
    drawn = _quantities(fit, task.quantities)
    names = list(drawn)
    values = np.stack([drawn[name] for name in names])
    r_hat = effective_size(values).r_hat
    # every chain in turn, so that all of them count alike
    flat = values.transpose(0, 2, 1).reshape(len(names), -1)
    ranked = flat[:, np.linspace(0, flat.shape[1] - 1, RANKED).round().astype(int)]
    truth = np.array([float(true[name].item()) for name in names])[:, None]
    rng = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=(6,)))
    rank = (ranked < truth).sum(axis=1) + rng.integers(0, (ranked == truth).sum(axis=1) + 1)
    dataset = xr.Dataset({"rank": ("quantity", rank), "truth": ("quantity", truth[:, 0])}, coords={"quantity": names})
    return dataset, bool(np.nanmax(r_hat) <= _MAX_R_HAT)


def _quantities(fit: Fit, more: Mapping[str, Quantity]) -> dict[str, Array]:
    """Everything that is ranked, (chain, draw) each."""
    posterior, response = fit.posterior, fit.model.design.response
    assert response is not None
    parts = {str(name): values.to_numpy() for name, values in population_scalars(posterior, fit.model.design).items()}
    for term in fit.model.design.groups:
        first = posterior[f"b_{term.name}"].transpose("chain", "draw", term.dim, ...)[:, :, 0].to_numpy()
        parts |= {f"b_{term.name}[{term.levels[0]}, {coef}]": first[..., i] for i, coef in enumerate(term.coefs)}
    parts["log likelihood"] = total_log_likelihood(fit).to_numpy()
    shape = parts["log likelihood"].shape
    for name, function in more.items():
        values = np.asarray(function(posterior, response.y), dtype=float)
        if values.shape != shape:
            raise PredictionError(
                f"quantities[{name!r}] gave the shape {values.shape}, not one number a draw, {shape}."
            )
        parts[name] = values
    return parts


def _table(ranks: xr.DataArray) -> Table:
    """Judge the ranks of every quantity."""
    values = ranks.transpose("quantity", "simulation").to_numpy()
    p_value = np.array([rank_p_value(one, RANKED) for one in values])
    order = np.argsort(p_value, kind="stable")
    steps = p_value[order] * np.arange(len(p_value), 0, -1)
    adjusted = np.empty_like(p_value)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    uniform = (values + 0.5) / (RANKED + 1)
    mean, spread = uniform.mean(axis=1), 12 * np.square(uniform - 0.5).mean(axis=1)
    verdict = [_sentence(*row, count=values.shape[1]) for row in zip(adjusted, mean, spread, strict=True)]
    columns = {"p_value": p_value, "adjusted": adjusted, "mean": mean, "spread": spread, "verdict": verdict}
    return Table(columns, index=pd.Index(ranks["quantity"].values, name="quantity"))


def _sentence(adjusted: float, mean: float, spread: float, count: int) -> str:
    if adjusted >= _LEVEL:
        return "Ranks are uniform, as they should be."
    shift, width = (mean - 0.5) * np.sqrt(12 * count), (spread - 1.0) * np.sqrt(count / 0.8)
    side = f"lies {'above' if shift < 0 else 'below'} the truth too often (mean rank {mean:.2f} instead of 0.50)"
    form = f"is too {'narrow' if width > 0 else 'wide'} (ranks vary {spread:.2f} times as much as they should)"
    found = [words for words, z in ((side, shift), (form, width)) if abs(z) >= _NOTABLE]
    return f"The posterior {' and '.join(found)}." if found else "Ranks are not uniform."


def _band(simulations: int) -> xr.Dataset:
    lower, upper = rank_band(simulations, RANKED)
    position = np.arange(1, RANKED + 1) / (RANKED + 1)
    return xr.Dataset({"lower": ("position", lower), "upper": ("position", upper)}, coords={"position": position})
