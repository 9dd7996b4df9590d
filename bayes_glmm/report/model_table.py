"""Models side by side. Input: fits by name. Output: a DataFrame that prints as the table of a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import pandas as pd

from bayes_glmm.effects.wording import ratio_words
from bayes_glmm.errors import GLMMError
from bayes_glmm.inference.fit import Fit
from bayes_glmm.printing.grid import Column, Grid
from bayes_glmm.printing.numbers import UNCERTAIN, last_place, written
from bayes_glmm.printing.table import HEADING, Table
from bayes_glmm.report.summary import FittedModel, Summary, summarize

_KEYS = ["component", "group", "term"]
_STATISTICS = ["mean", "sd", "ci_lower", "ci_upper"]
_COMPONENTS = ("fixed", "threshold", "smooth", "sd", "corr", "dependence", "auxiliary", "simplex")
#: How the rows below the fixed effects are called.
_LABELS = {
    "sd": "sd({term} | {group})",
    "corr": "corr({term} | {group})",
    "dependence": "{term}({group})",
    "simplex": "step of {group} to {term}",
}


class ModelTable(Table):
    """Parameters of several models: a row for each parameter, columns (model, statistic), in full precision.

    It prints with an estimate and below it an interval for each model, and what was fitted at the foot.

    Parameters
    ----------
    *args, **kwargs
        As `pandas.DataFrame` takes them.
    """

    _metadata = ["_corner", "_foot"]
    _corner: str = ""
    _foot: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def described(self, corner: str, foot: Mapping[str, tuple[str, ...]]) -> ModelTable:
        """Attach what stands above the parameters' names and at the table's foot.

        Parameters
        ----------
        corner
            What the numbers are.
        foot
            Label -> a text for each model.

        Returns
        -------
        ModelTable
            Itself.
        """
        object.__setattr__(self, "_corner", corner)
        object.__setattr__(self, "_foot", foot)
        return self

    def grid(self) -> Grid:
        """Return the table as text.

        Returns
        -------
        Grid
            A row for each parameter, the estimate and the interval below it, and the foot.
        """
        labels = [
            _LABELS.get(component, "{term}").format(term=term, group=group) for component, group, term in self.index
        ]
        columns = [Column(self._corner, (*labels, *self._foot), key=True)]
        for place, model in enumerate(self.columns.unique(level=0)):
            part = self[model][_STATISTICS]
            cells = [_cell(*row) for row in part.itertuples(index=False)]
            below = [texts[place] for texts in self._foot.values()]
            columns.append(Column(str(model), (*cells, *below), numeric=True))
        heading = self.attrs.get(HEADING)
        return Grid(tuple(columns), (heading,) if heading else (), ruled=(len(labels),))

    def _shown(self) -> Grid:
        return self.grid()

    def _for_paper(self, index: bool = True) -> Grid:
        grid = self.grid()
        return grid if index else replace(grid, columns=grid.columns[1:])


def _cell(mean: float, sd: float, lower: float, upper: float) -> str:
    """Write an estimate, and its interval below it."""
    if pd.isna(lower) and pd.isna(upper):
        return ""
    place = last_place(sd if sd > 0 else (upper - lower) / 4, UNCERTAIN)
    texts = written([mean, lower, upper], place)
    return f"{texts[0]}\n[{texts[1]}, {texts[2]}]"


def table(fits: Mapping[str, FittedModel], *, ci_prob: float | None = None, exponentiate: bool = False) -> ModelTable:
    """Put models side by side, as a paper does.

    Parameters
    ----------
    fits
        Name -> fit, in the order of the columns.
    ci_prob
        Probability of the equal-tailed intervals; None for ArviZ's ``rcParams["stats.ci_prob"]``.
    exponentiate
        Whether the fixed effects are shown as ratios, as by `FittedGLMM.summary`.

    Returns
    -------
    ModelTable
        A DataFrame indexed by component, group and term with the columns (model, statistic): mean, sd, ci_lower,
        ci_upper, NaN where a model has no such parameter. It shows means with intervals below them and, at the foot,
        family and link, rows, levels of grouping factors and whether the draws converged. ``.to_latex()``,
        ``.to_markdown()`` and ``.to_html()`` (for word processors) give what a paper takes.

    Raises
    ------
    GLMMError
        If `fits` is not a mapping from names to fits, `ci_prob` no probability, or a model has no ratios to show.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> data = bg.load_dataset("cbpp")
    >>> right = {"herds alike": "period", "herds differ": "period + (1 | herd)"}
    >>> models = {name: bg.GLMM(f"p(incidence, size) ~ {x}", data, family="binomial") for name, x in right.items()}
    >>> fits = {name: model.fit(method="laplace") for name, model in models.items()}
    >>> side_by_side = bg.table(fits, exponentiate=True)
    >>> list(side_by_side.columns.unique(level=0)), len(side_by_side)
    (['herds alike', 'herds differ'], 5)
    """
    _check(fits)
    summaries = {name: _summary(name, fit, ci_prob, exponentiate) for name, fit in fits.items()}
    parts = {name: summary.set_index(_KEYS)[_STATISTICS] for name, summary in summaries.items()}
    rows = pd.MultiIndex.from_tuples(_in_order(part.index for part in parts.values()), names=_KEYS)
    wide = pd.concat({name: part.reindex(rows) for name, part in parts.items()}, axis=1, names=["model", "statistic"])
    prob = next(iter(summaries.values())).attrs["ci_prob"]
    result = ModelTable(wide).described(f"mean [{prob:.0%} interval]", _foot(fits))
    result.attrs = {"ci_prob": prob, "interval": "equal-tailed"}
    if exponentiate:
        words = dict.fromkeys(ratio_words(fit) for fit in fits.values())
        result.attrs[HEADING] = f"Fixed effects exponentiated: {'; '.join(words)}."
    return result


def _check(fits: Mapping[str, FittedModel]) -> None:
    if not isinstance(fits, Mapping):
        raise GLMMError(
            f"table takes a dict from names to fits, not a {type(fits).__name__}: "
            "table({'small': fit_a, 'large': fit_b})."
        )
    if not fits:
        raise GLMMError("table needs at least one fit: table({'small': fit_a, 'large': fit_b}).")
    for name, fit in fits.items():
        if not isinstance(fit, Fit):
            raise GLMMError(f"table: {name!r} is a {type(fit).__name__}, not a fit; model.fit() gives one.")


def _summary(name: str, fit: FittedModel, ci_prob: float | None, exponentiate: bool) -> Summary:
    try:
        return summarize(fit, ci_prob, exponentiate=exponentiate)
    except GLMMError as error:
        raise GLMMError(f"table, model {name!r}: {error}") from None


def _in_order(indices: Iterable[pd.Index]) -> list[tuple[str, str, str]]:
    """Put all models' parameters in one order: by component, then as they first occur."""
    seen = list(dict.fromkeys(key for index in indices for key in index))
    return sorted(seen, key=lambda key: _COMPONENTS.index(key[0]))


def _foot(fits: Mapping[str, FittedModel]) -> dict[str, tuple[str, ...]]:
    """Say what was fitted: label -> a text for each model."""
    models = [fit.model for fit in fits.values()]
    rows = {
        "family": [model.spec.family.name for model in models],
        "link": [model.spec.link.name for model in models],
        "rows": [_rows(fit) for fit in fits.values()],
    }
    for group in dict.fromkeys(term.name for model in models for term in model.design.groups):
        levels = [{term.name: len(term.levels) for term in model.design.groups}.get(group) for model in models]
        rows[f"levels of {group}"] = ["" if count is None else f"{count:,}" for count in levels]
    rows["converged"] = [
        "approximate" if fit.approximate else "yes" if fit.convergence.passed else "NO" for fit in fits.values()
    ]
    return {label: tuple(texts) for label, texts in rows.items()}


def _rows(fit: FittedModel) -> str:
    """Count the rows; of a fit of several data sets those of the first, and how many data sets there are."""
    rows = f"{len(fit.parts[0].model.design.index):,}"
    return rows if len(fit.parts) == 1 else f"{rows} x {len(fit.parts)} frames"
