"""Shrinkage with sliders: groups' own means, the truth, and partial pooling between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import GLMMError
from bayes_glmm.widgets.make import make_widget
from bayes_glmm.widgets.state import Check, Design, number, plural, whole, words

if TYPE_CHECKING:
    from bayes_glmm.widgets.page import Widget

_MOST_GROUPS, _MOST_ROWS = 60, 1000


def shrinkage(
    *,
    between: float = 5.0,
    within: float = 15.0,
    groups: int = 12,
    smallest: int = 2,
    largest: int = 40,
    sizes: Sequence[int] | None = None,
    group: str = "school",
    value: str = "mean score",
    mean: float = 50.0,
    seed: int = 1,
) -> Widget:
    """Show how far groups' estimates move from their own mean towards the mean of all, under sliders.

    Parameters
    ----------
    between
        Sd of the groups' true means.
    within
        Sd of rows around their group's true mean, above zero.
    groups
        Number of groups, 60 at most.
    smallest, largest
        Rows of the smallest and the largest group; the others lie between them in equal ratios.
    sizes
        Rows of every group, in place of the three above; they have no sliders then.
    group
        What groups are called, in the singular.
    value
        What their means are, for the axis.
    mean
        Mean of the population that true means are drawn from.
    seed
        Seed of the draws, which stay the same while sliders move.

    Returns
    -------
    Widget
        Attributes ``between``, ``within``, ``groups``, ``smallest``, ``largest``, ``look`` (the group whose arithmetic
        is written out, from 1) and ``seed`` follow the sliders and move them, with the extra ``widgets`` installed.
        ``to_html()`` and ``save_html(path)`` give it as one page that needs no server.

    Raises
    ------
    GLMMError
        If a value is not allowed, or numbers of groups and rows are given beside `sizes`.

    Notes
    -----
    With known sds a group's estimate is w ybar + (1 - w) mu, w = between^2 / (between^2 + within^2 / n), where mu is
    the mean of all group means weighted by 1 / (between^2 + within^2 / n): the posterior mean under a flat prior of
    the mean. `bayes_glmm.shrinkage` gives a fit's own, for which sds are estimated.

    References
    ----------
    Gelman, A. and Hill, J. (2007). Data Analysis Using Regression and Multilevel/Hierarchical Models. Cambridge
    University Press, equation 12.1.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> widget = bg.widgets.shrinkage(sizes=[2, 5, 40], between=3)
    >>> widget.within = 10
    >>> widget.groups, widget.within
    (3, 10.0)
    """
    counts: list[int] = []
    if sizes is not None:
        if (groups, smallest, largest) != (12, 2, 40):
            raise GLMMError("sizes= says how many groups and rows there are: leave out groups=, smallest=, largest=.")
        counts = _checked_sizes(sizes)
        groups, smallest, largest = len(counts), min(counts), max(counts)
    rows: Check = whole(1, _MOST_ROWS)
    settings = {
        "between": number(least=0.0),
        "within": number(least=0.01),
        "groups": whole(2, _MOST_GROUPS),
        "smallest": rows,
        "largest": rows,
        "look": whole(1, _MOST_GROUPS),
        "seed": whole(0, 2**31 - 1),
    }
    named = words("group", group)
    fixed = {"sizes": counts, "mean": number()("mean", mean), "value": words("value", value)}
    fixed |= {"group": named, "groups_name": plural(named)}
    values: dict[str, Any] = {"between": between, "within": within, "groups": groups, "smallest": smallest}
    values |= {"largest": largest, "look": 1, "seed": seed}
    if counts:
        fixed |= {name: values[name] for name in ("groups", "smallest", "largest")}
        settings = {name: check for name, check in settings.items() if name not in fixed}
    title = f"Partial pooling: from a {named}'s own mean towards the mean of all"
    return make_widget(Design("shrinkage.js", title, settings, 780, fixed), values)


def _checked_sizes(sizes: Any) -> list[int]:
    if isinstance(sizes, str) or not hasattr(sizes, "__iter__"):
        raise GLMMError(f"sizes= takes the rows of every group, such as [2, 5, 40], not {in_words(sizes)}.")
    counts = [whole(1, _MOST_ROWS)("sizes", size) for size in sizes]
    if not 2 <= len(counts) <= _MOST_GROUPS:
        raise GLMMError(f"sizes= takes 2 to {_MOST_GROUPS} groups, not {len(counts)}.")
    return counts
