"""The summary table of a fit, and the fit in words. Input: a fitted model. Output: a tidy DataFrame, text and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import interval_probability
from bayes_glmm.checks.convergence import STATISTICS, Diagnosis
from bayes_glmm.checks.frames import spread
from bayes_glmm.design.grouping import GroupTerm
from bayes_glmm.effects.wording import ratio_words
from bayes_glmm.inference.fit import Model
from bayes_glmm.model.naming import dependence_name
from bayes_glmm.printing.document import Words
from bayes_glmm.printing.grid import Grid, as_text
from bayes_glmm.printing.html import fragment
from bayes_glmm.printing.table import Table
from bayes_glmm.report.model_card import formula_lines, links_in_words, rows_in_words, weights_in_words
from bayes_glmm.report.moments import posterior_moments

COLUMNS = ("component", "group", "term", "mean", "sd", "ci_lower", "ci_upper", "ess_bulk", "ess_tail", "r_hat")
#: What the summary of a fit of several data sets has besides, after the sd.
OF_FRAMES = ("sd_within", "sd_between", "fmi")
#: Components that cannot be negative, whose tails may be too heavy for a mean.
_POSITIVE = ("sd", "dependence", "auxiliary")


class Drawn(Protocol):
    """What a summary needs of the draws of a fit."""

    @property
    def posterior(self) -> xr.Dataset:
        """The draws."""

    @property
    def attrs(self) -> Any:
        """How the draws were made."""

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped."""

    @property
    def approximate(self) -> bool:
        """Whether the draws come from an approximation."""

    @property
    def convergence(self) -> Diagnosis:
        """The verdict on convergence."""

    @property
    def parts(self) -> Sequence[Any]:
        """The fits that are mixed in it."""


class FittedModel(Drawn, Protocol):
    """What a summary needs of a fit of one response."""

    @property
    def model(self) -> Model:
        """The model that was fitted."""


class Summary(Table):
    """A summary table that says in words what was fitted and whether it converged.

    A `Table` in all else; so is whatever is taken out of it.

    Parameters
    ----------
    *args, **kwargs
        As `pandas.DataFrame` takes them.
    """

    _metadata = ["_words", "_verdict"]
    _words: tuple[str, ...] = ()
    _verdict: Diagnosis | None = None

    def described(self, words: tuple[str, ...], verdict: Diagnosis) -> Summary:
        """Attach the words shown above the table.

        Parameters
        ----------
        words
            Lines that say what was fitted and how.
        verdict
            The verdict on convergence.

        Returns
        -------
        Summary
            Itself.
        """
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_verdict", verdict)
        return self

    def _for_paper(self, index: bool = True) -> Grid:
        """Return what a table of a paper holds; that draws cannot be relied on stands above it."""
        grid, verdict = super()._for_paper(index), self._verdict
        if verdict is None or verdict.passed:
            return grid
        return replace(grid, above=(f"{verdict.opening.rstrip(':.')}.",))

    def __repr__(self) -> str:
        verdict = () if self._verdict is None else (self._verdict.verdict,)
        return as_text(replace(self.grid(), above=(*self._words, *verdict)))

    def _repr_html_(self) -> str:
        verdict = () if self._verdict is None else (self._verdict.block(),)
        return fragment(Words("\n".join(self._words)), *verdict, self.grid())


def summarize(
    fit: FittedModel, ci_prob: float | None = None, random_effects: bool = False, exponentiate: bool = False
) -> Summary:
    """Summarise the posterior.

    Parameters
    ----------
    fit
        A fitted model.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``rcParams["stats.ci_prob"]``.
    random_effects
        Whether to list every level's effects too.
    exponentiate
        Whether the fixed effects are shown as ratios (odds ratios, ratios of means): the moments and quantiles of their
        exponentials, of whose draws the sd is, too.

    Returns
    -------
    Summary
        One row per parameter: component (fixed, sd, corr, dependence, threshold, auxiliary, simplex, random effect),
        group, term, mean, sd, ci_lower, ci_upper, ess_bulk, ess_tail, r_hat. Coefficients, sds and thresholds are on
        the link scale. A parameter whose tail is too heavy for a mean (the phi of a negative binomial where a Poisson
        would do) has NaN for mean and sd; a line above the table gives its median, and 1/sqrt(phi), which has a mean.
        Of a fit of several data sets also sd_within, sd_between and fmi (`bayes_glmm.fit_multiple`).

    Raises
    ------
    GLMMError
        If `ci_prob` is not a probability between 0 and 1, or the link's coefficients are no logarithms of ratios.
    """
    ratios = ratio_words(fit) if exponentiate else ""
    prob = interval_probability(ci_prob)
    table = summary_table(fit, _sections(fit, random_effects), prob, ratios)
    powers = {own.name: own.power for own in fit.model.spec.family.parameters}
    ratios = f"fixed effects exponentiated: {ratios}" if ratios else ""
    words = (*_heading(fit, prob), ratios, *without_mean(fit, table, powers))
    return table.described(tuple(filter(None, words)), fit.convergence)


def summary_table(fit: Drawn, sections: Iterable[Section], prob: float, ratios: str = "") -> Summary:
    """Summarise variables of a posterior.

    Parameters
    ----------
    fit
        A fit.
    sections
        Variable, component, group, terms and flat entries, in the order people read them.
    prob
        Probability of the interval.
    ratios
        What the exponentials of the fixed effects are; empty where they are not exponentiated.

    Returns
    -------
    Summary
        As of `summarize`, without words.
    """
    verdict = fit.convergence
    blocks = []
    for name, component, group, terms, entries in sections:
        as_ratios = bool(ratios) and component == "fixed"
        draws = xr.ufuncs.exp(fit.posterior[name]) if as_ratios else fit.posterior[name]
        block = posterior_moments(draws, prob, entries, as_ratios or component in _POSITIVE)
        block.insert(0, "term", terms)
        block.insert(0, "group", group)
        block.insert(0, "component", component)
        statistics = verdict.dataset[name].values.reshape(len(STATISTICS), -1)[:, entries]
        for statistic, values in zip(STATISTICS, statistics, strict=True):
            block[statistic] = values
        if len(fit.parts) > 1:
            apart = spread(draws, len(fit.parts))
            for column, values in zip(OF_FRAMES, (apart.within, apart.between, apart.fmi), strict=True):
                block[column] = np.where(block["sd"].isna(), np.nan, values[entries])
        blocks.append(block)
    columns = [*COLUMNS[:5], *(OF_FRAMES if len(fit.parts) > 1 else ()), *COLUMNS[5:]]
    summary = Summary(pd.concat(blocks, ignore_index=True)[columns])
    summary.attrs = {"ci_prob": prob}
    return summary


Section = tuple[str, str, str, list[str], npt.NDArray[np.intp]]


def _sections(fit: FittedModel, random_effects: bool) -> Iterator[Section]:
    """List variable, component, group, terms and flat entries, in the order people read them."""
    design = fit.model.design
    yield from coefficient_sections(design.coefs, design.groups)
    for row in design.spec.constants:
        terms = [str(label) for label in fit.posterior["threshold"].values] if row.ordered else [row.name]
        yield row.name, "threshold" if row.ordered else "auxiliary", "", terms, np.arange(len(terms))
    for one in design.monotonic:
        yield one.name, "simplex", one.coef, list(one.steps), np.arange(len(one.steps))
    yield from effect_sections(design.groups if random_effects else ())


def coefficient_sections(coefs: Sequence[str], groups: Sequence[GroupTerm]) -> Iterator[Section]:
    """List coefficients, sds, correlations of coefficients and of levels, as `summary_table` takes them."""
    if coefs:
        yield "beta", "fixed", "", list(coefs), np.arange(len(coefs))
    for term in groups:
        yield f"sd_{term.name}", "sd", term.name, list(term.coefs), np.arange(len(term.coefs))
        yield from _correlations(term)
        if name := dependence_name(term):
            yield name, "dependence", term.name, [name.partition("_")[0]], np.arange(1)


def effect_sections(groups: Sequence[GroupTerm]) -> Iterator[Section]:
    """List the effects of every level, as `summary_table` takes them."""
    for term in groups:
        labels = [f"{level}, {coef}" for level in term.levels for coef in term.coefs]
        yield f"b_{term.name}", "random effect", term.name, labels, np.arange(len(labels))


def _correlations(term: GroupTerm) -> Iterator[Section]:
    pairs = sorted((max(i, j), min(i, j)) for block in term.blocks for i in block for j in block if i < j)
    if pairs:
        labels = [f"{term.coefs[j]}, {term.coefs[i]}" for i, j in pairs]
        entries = np.array([i * len(term.coefs) + j for i, j in pairs])
        yield f"corr_{term.name}", "corr", term.name, labels, entries


def _heading(fit: FittedModel, prob: float) -> tuple[str, ...]:
    """Say what was fitted and how."""
    spec, design = fit.model.spec, fit.model.design
    groups = ", ".join(f"{len(term.levels):,} {term.name}" for term in design.groups)
    levels = f"; levels: {groups}" if groups else ""
    rows = rows_in_words(design)
    if len(fit.parts) > 1:
        own = sorted({len(part.model.design.index) for part in fit.parts})
        rows = f"{len(fit.parts)} frames of {' to '.join(f'{size:,}' for size in dict.fromkeys((own[0], own[-1])))}"
    weights = weights_in_words(spec)
    return (
        *formula_lines(spec),
        f"{spec.family.name} family, {links_in_words(spec)}; rows: {rows}{levels}",
        *([f"weights: {weights}"] if weights else []),
        drawn_in_words(fit, prob),
    )


def drawn_in_words(fit: Drawn, prob: float) -> str:
    """Say how the draws were made, how many there are, and what intervals hold."""
    sizes, attrs = fit.posterior.sizes, fit.attrs
    chains = f"{sizes['chain']} chain{'s' * (sizes['chain'] > 1)} x {sizes['draw']:,} draws"
    if (frames := len(fit.parts)) > 1:
        chains = f"{frames} x {chains.replace(str(sizes['chain']), str(sizes['chain'] // frames), 1)}, mixed"
    if fit.approximate:
        how = f"Approximation by {attrs['method']} ({attrs['backend']}), {sizes['chain'] * sizes['draw']:,} draws"
    else:
        how = f"NUTS ({attrs['backend']}), {chains}{', interrupted' if fit.interrupted else ''}"
    return f"{how}, {attrs['total_seconds']:.1f} s; intervals hold {prob:.0%}"


def without_mean(fit: Drawn, table: pd.DataFrame, powers: Mapping[str, float]) -> Iterator[str]:
    """Say what is known of the parameters whose mean the table leaves out.

    Parameters
    ----------
    fit
        The fit.
    table
        Its summary.
    powers
        The power of each parameter of the families that its default prior is about.

    Yields
    ------
    str
        The median of each, and what has a mean in its place.
    """
    missing = table["component"].isin(("fixed", *_POSITIVE)) & table["mean"].isna()
    for _, row in table[missing].iterrows():
        name = f"{row['term']}_{row['group']}" if row["component"] == "dependence" else str(row["term"])
        name = f"sd_{row['group']}" if row["component"] == "sd" else name
        if row["component"] == "fixed":
            draws, name = xr.ufuncs.exp(fit.posterior["beta"].sel(coef=row["term"])), f"exp({name})"
        else:
            draws = fit.posterior[name]
        if row["component"] == "sd":
            draws, name = draws.sel({f"{row['group']}_coef": row["term"]}), f"sd[{row['group']}][{row['term']}]"
        words = f"{name} has no mean that draws could tell (its tail is heavy): median {float(draws.median()):.3g}"
        power = powers.get(name, 1.0)
        if power == -0.5:
            stated = draws**power
            words += f"; 1/sqrt({name}) {float(stated.mean()):.3g} (sd {float(stated.std()):.2g})"
        yield words


def fit_text(fit: FittedModel) -> str:
    """Describe a fit as text: what was fitted, the verdict, the summary table.

    Parameters
    ----------
    fit
        A fitted model.

    Returns
    -------
    str
        Several lines for a terminal.
    """
    return repr(summarize(fit))


def fit_html(fit: FittedModel) -> str:
    """Describe a fit as HTML: what was fitted, the verdict, the summary table.

    Parameters
    ----------
    fit
        A fitted model.

    Returns
    -------
    str
        HTML; the user's names are escaped.
    """
    return summarize(fit)._repr_html_()
