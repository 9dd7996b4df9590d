"""Two stories with sliders: an effect in a typical group, and its average over all groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bayes_glmm.errors import GLMMError
from bayes_glmm.widgets.make import make_widget
from bayes_glmm.widgets.state import Design, number, one_of, plural, whole, words

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit
    from bayes_glmm.widgets.page import Widget

LINKS = ("logit", "probit", "cloglog", "log")
_START = {"intercept": -1.0, "effect": 1.5, "sd": 1.5, "link": "logit"}


def two_stories(
    fit: Fit | None = None,
    x: str | Mapping[str, Sequence[Any]] | None = None,
    *,
    intercept: float | None = None,
    effect: float | None = None,
    sd: float | None = None,
    link: str | None = None,
    group: str | None = None,
    outcome: str = "infection",
    levels: int = 30,
    seed: int = 1,
) -> Widget:
    """Show curves of many groups, of a typical one and their average, under sliders.

    Parameters
    ----------
    fit
        A fit whose posterior means the sliders start at; None to start at the numbers given.
    x
        With a fit: the predictor along the axis, ``"x"``, or ``{"x": (from, to)}`` with the two values that are
        compared. Of a number the two are a round step from its mean (both, where it takes two); of a factor its levels,
        where it has two. Other predictors stay at their mean or commonest level, as in `bayes_glmm.grid`.
    intercept
        Linear predictor of a typical group at the first value of x; with None -1.
    effect
        What the step to the second value adds to it, link scale; with None 1.5.
    sd
        Sd between groups, link scale; with None 1.5.
    link
        ``"logit"``, ``"probit"``, ``"cloglog"`` or ``"log"``; with None logit.
    group
        What groups are called, in the singular; with None ``"hospital"``.
    outcome
        What is predicted, without a fit.
    levels
        Number of groups drawn, 200 at most.
    seed
        Seed of their effects, which stay the same while sliders move.

    Returns
    -------
    Widget
        Attributes ``intercept``, ``effect``, ``sd``, ``link``, ``scale`` (``"response"`` or ``"link"``), ``levels`` and
        ``seed`` follow the sliders and move them, with the extra ``widgets`` installed. ``to_html()`` and
        ``save_html(path)`` give it as one page that needs no server.

    Raises
    ------
    GLMMError
        If a value is not allowed, or is given beside a fit that decides it; if the fit's model is not of the kind that
        is drawn: one mean under one of the links, random intercepts only, a straight line in x on the link scale.

    Notes
    -----
    The typical curve is g^-1(eta), the average the integral of g^-1(eta + u) over u ~ N(0, sd^2), by the trapezoidal
    rule in the browser (1e-6 or better). A fit's curves are drawn at the posterior means of intercept, effect and sd
    (of several factors' intercepts: the root of the sum of squares); they have no intervals, and the average at the
    mean is not quite the mean of averages. Answers with their uncertainty are those of `bayes_glmm.avg_comparisons`.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> widget = bg.widgets.two_stories(sd=2)
    >>> widget.sd = 0.5
    >>> widget.sd, widget.link
    (0.5, 'logit')

    From a fit, herds compared between two periods:

    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> widget = bg.widgets.two_stories(fit, {"period": ("1", "4")})
    >>> round(widget.effect, 1)
    -1.6
    """
    values: dict[str, Any]
    fixed: dict[str, Any]
    given = {"intercept": intercept, "effect": effect, "sd": sd, "link": link}
    if fit is None:
        if x is not None:
            raise GLMMError("x= names a predictor of a fit: give the fit first, two_stories(fit, 'x').")
        values = {name: _START[name] if value is None else value for name, value in given.items()}
        number_of = f"expected number of {plural(words('outcome', outcome))}"
        axis = {"x": "x", "x_from": 0.0, "x_to": 1.0, "x_low": -3.0, "x_high": 4.0, "x_names": []}
        fixed = {"links": list(LINKS), "probability": f"probability of {outcome}", "number": number_of, **axis}
        named = "hospital" if group is None else words("group", group)
    else:
        stated = [name for name, value in given.items() if value is not None]
        if stated:
            raise GLMMError(f"{stated[0]}= comes from the fit; set it afterwards, widget.{stated[0]} = ...")
        from bayes_glmm.widgets.from_fit import started

        values, fixed, factor = started(fit, x, LINKS)
        named = factor if group is None else words("group", group)
    settings = {
        "intercept": number(),
        "effect": number(),
        "sd": number(least=0.0),
        "link": one_of(fixed["links"]),
        "scale": one_of(("response", "link")),
        "levels": whole(1, 200),
        "seed": whole(0, 2**31 - 1),
    }
    values |= {"scale": "response", "levels": levels, "seed": seed}
    fixed |= {"group": named, "groups": plural(named)}
    title = f"Two stories: a typical {named}, and the average over all {plural(named)}"
    return make_widget(Design("two_stories.js", title, settings, 720, fixed), values)
