"""Models compared by their expected log predictive density.

Input: fits of the same responses, or results of `loo` or `kfold`. Output: ArviZ's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import pandas as pd
from arviz_stats import compare as arviz_compare
from arviz_stats.utils import ELPDData

from bayes_glmm.arguments import checked_name, in_words, own_arguments
from bayes_glmm.checks.comparison import OBS, loo
from bayes_glmm.checks.seen_rows import SeenRows
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.inference.fit import Fit
from bayes_glmm.printing.table import HEADING, Table
from bayes_glmm.progress import part_of

METHODS = ("stacking", "bb-pseudo-bma", "pseudo-bma")


@own_arguments
def compare(
    fits: Mapping[str, Fit | ELPDData],
    unit: str | None = None,
    *,
    method: str = "stacking",
    refits: bool = True,
    client: Any = None,
    random_seed: int | None = None,
    progressbar: bool = True,
) -> pd.DataFrame:
    """Compare models by their expected log predictive density.

    Parameters
    ----------
    fits
        Name -> fit of the same observations, or a result of `loo` or `kfold`. Results of ArviZ's own functions do not
        say what they are about; of them only the number of units is checked.
    unit
        As in `loo`, for fits.
    method
        How weights are computed, as in ``arviz.compare``.
    refits, client, random_seed, progressbar
        As in `loo`, for fits.

    Returns
    -------
    pandas.DataFrame
        ``arviz.compare``'s table, best model first.

    Raises
    ------
    PredictionError
        If there are fewer than two models, something is neither a fit nor a result, or the models have not seen the
        same rows, responses, trials and weights.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> sleepstudy = bg.load_dataset("sleepstudy")
    >>> fit = bg.GLMM("Reaction ~ Days + (1 | Subject)", sleepstudy).fit(random_seed=1, progressbar=False)
    >>> pooled = bg.GLMM("Reaction ~ Days", sleepstudy).fit(random_seed=1, progressbar=False)
    >>> table = bg.compare({"subjects differ": fit, "one for all": pooled}, progressbar=False)
    >>> table.index.tolist()
    ['subjects differ', 'one for all']
    """
    if checked_name("method", method).lower() not in METHODS:
        raise PredictionError(f"method={method!r} is not known. {nearest(method, METHODS)}")
    if not isinstance(fits, Mapping):
        raise PredictionError(
            f"compare takes a dict from names to models, not {in_words(fits)}: compare({{'a': fit_a, 'b': fit_b}})."
        )
    wrong = [name for name, fit in fits.items() if not isinstance(fit, Fit | ELPDData)]
    if wrong:
        raise PredictionError(
            f"{wrong[0]!r} is {in_words(fits[wrong[0]])}: compare takes fits, and results of loo or kfold. "
            "Give the fit itself, not its draws; arviz.compare takes DataTrees with a log_likelihood."
        )
    if len(fits) < 2:
        raise PredictionError("compare needs at least two models: compare({'a': fit_a, 'b': fit_b}).")
    seen = {name: _seen(fit) for name, fit in fits.items()}
    _check_same_data({name: rows for name, rows in seen.items() if rows is not None})
    options: dict[str, Any] = {"refits": refits, "client": client, "random_seed": random_seed}
    results: dict[str, ELPDData] = {}
    for place, (name, fit) in enumerate(fits.items(), start=1):
        with part_of(f"{name} (model {place} of {len(fits)})"):
            results[name] = loo(fit, unit, progressbar=progressbar, **options) if isinstance(fit, Fit) else fit
    units = {name: (getattr(result, "unit", OBS), result.n_data_points) for name, result in results.items()}
    if len(set(units.values())) > 1:
        raise PredictionError(f"The results are about different units: {units}.")
    table = Table(arviz_compare(results, method=method, round_to="none"))
    about, count = next(iter(units.values()))
    about = "observations" if about == OBS else f"levels of {about}"
    table.attrs[HEADING] = (
        f"Expected log predictive density of {count:,} {about}, left out of what predicts them; the best model first."
    )
    return table


def _seen(fit: Fit | ELPDData) -> SeenRows | None:
    """Return what a model has seen; results of ArviZ's own functions do not say."""
    return SeenRows.of(fit.model.design) if isinstance(fit, Fit) else getattr(fit, "seen", None)


def _check_same_data(seen: Mapping[str, SeenRows]) -> None:
    """Refuse densities of different data, saying what differs from the first."""
    for name, rows in islice(seen.items(), 1, None):
        first, other = next(iter(seen.items()))
        different = rows.difference(other)
        if different == "rows":
            raise PredictionError(
                f"{first!r} was fitted to {other.in_words()} and {name!r} to {rows.in_words()}: sums over different "
                "rows cannot be compared. Fit both to the rows without missing values in any column of either."
            )
        if different == "responses":
            raise PredictionError(
                f"{first!r} and {name!r} were not fitted to the same responses ({other.response.name!r} and "
                f"{rows.response.name!r}): densities of different data, or of a response and its transform, cannot be "
                "compared. Fit both to the same response, for example family='lognormal' in the place of log(y)."
            )
        if different:
            raise PredictionError(
                f"{first!r} and {name!r} were fitted with different {different}: their densities are not of the same "
                "data and cannot be compared."
            )
