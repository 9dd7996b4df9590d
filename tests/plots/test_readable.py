"""Every figure can be read on a light and on a dark ground: contrasts of WCAG 2."""

from functools import cache
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.text import Text

import bayes_glmm as bg

TEXT, LINE, FAINT = 4.5, 3.0, 1.5  # FAINT: drawn transparent, as one of many or behind the rest


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def table(points=5, **columns):
    x = np.linspace(0, 1, points)
    made = pd.DataFrame({"x": x, "estimate": 0.2 + 0.5 * x, "sd": 0.1, "lower": 0.1 + 0.5 * x, "upper": 0.3 + 0.5 * x})
    return made.assign(**columns)


def groups(count, name="g"):
    return pd.concat([table(**{name: f"{name}{i}"}) for i in range(count)], ignore_index=True)


def effects():
    return table(3, x=list("abc")).rename(columns={"x": "contrast"}).assign(term="t")


def binary():
    return pd.DataFrame({"x": np.linspace(0, 1, 60), "y": np.arange(60) % 2, "g": [f"g{i % 3}" for i in range(60)]})


def stories(fit):
    return {"each": groups(60), "typical": table(), "marginal": table(), "third": table()}


def meta_analysis():
    made = table(4, kind=["study", "study", "average", "new study"], study=["a", "b", "average", "new study"])
    return made.assign(observed=0.4, observed_lower=0.1, observed_upper=0.7, se=0.15, fitted=0.4)


def ranks():
    position = (np.arange(19) + 0.5) / 19
    variables = {
        "rank": (("fit", "quantity"), np.arange(40).reshape(20, 2) % 20),
        "lower": ("draw", position - 0.2),
        "upper": ("draw", position + 0.2),
    }
    return SimpleNamespace(
        ranks=xr.Dataset(variables, coords={"quantity": ["a", "b"], "position": ("draw", position)}),
        table=pd.DataFrame({"p_value": [0.5, 0.0001], "adjusted": [0.5, 0.0002]}, index=["a", "b"]),
    )


def several_factors(fit):
    components = bg.variance_components(fit)
    return pd.concat([components, components.iloc[[1]].assign(group="(together)")], ignore_index=True)


@cache
def approximated(fit):
    return fit.model.fit(method="laplace", draws=100, chains=2, random_seed=1, progressbar=False)


@cache
def extended(fit):
    fast = approximated(fit).extend("posterior_predictive", random_seed=1)
    fast.dt["prior"] = 2 * fast.posterior
    return fast


@cache
def binary_fit():
    fit = bg.GLMM("y ~ x + (1 | g)", binary(), family="bernoulli").fit(
        method="laplace", draws=100, chains=2, random_seed=1, progressbar=False
    )
    return fit.extend("posterior_predictive", random_seed=1)


DRAWN = {
    "effects": lambda fit: bg.plots.conditional_marginal({"a": effects(), "b": effects(), "c": effects()}),
    "curves": lambda fit: bg.plots.conditional_marginal(stories(fit), x="x"),
    "categories": lambda fit: bg.plots.conditional_marginal(
        {"each": groups(12).assign(category="c"), "all": table(category="c")}, x="x"
    ),
    "panels": lambda fit: bg.plots.conditional_marginal({"a": groups(4, "category")}, x="x"),
    "lines": lambda fit: bg.plots.predictions(groups(8), "x", "g", data=binary(), y="y"),
    "points": lambda fit: bg.plots.predictions(groups(8).assign(x=list("abcde") * 8), "x", "g"),
    "random effects": lambda fit: bg.plots.random_effects(bg.random_effects(fit)),
    "shrinkage": lambda fit: bg.plots.shrinkage(bg.shrinkage(fit)),
    "variance components": lambda fit: bg.plots.variance_components(several_factors(fit)),
    "residuals": lambda fit: bg.plots.residuals(bg.simulate_residuals(fit, random_seed=1)),
    "predictive check": lambda fit: bg.plots.predictive_check(
        bg.predictive_check(fit, "mean", "period", random_seed=1)
    ),
    "calibration": lambda fit: bg.plots.calibration(ranks()),
    "coloured curves": lambda fit: bg.plots.conditional_marginal(
        {"typical": groups(3), "marginal": groups(3)}, x="x", color="g"
    ),
    "trace": lambda fit: bg.plots.trace(fit),
    "prior posterior": lambda fit: bg.plots.prior_posterior(extended(fit)),
    "laplace vs nuts": lambda fit: bg.plots.laplace_vs_nuts(approximated(fit), fit),
    "ppc": lambda fit: bg.plots.ppc(extended(fit)),
    "ppc, distributions": lambda fit: bg.plots.ppc(extended(fit), "ecdf"),
    "forest": lambda fit: bg.plots.forest(meta_analysis()),
    "funnel": lambda fit: bg.plots.funnel(meta_analysis()),
    "ppc, calibration": lambda fit: bg.plots.ppc(binary_fit()),
}


def test_every_plot_is_drawn_here():
    named = {name for name in bg.plots.__all__ if name not in ("conditional_marginal", "predictions")}
    assert {name.replace("_", " ") for name in named} <= set(DRAWN)


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(color, ground):
    """Contrast of a colour laid over the ground with its own transparency."""
    *seen, alpha = to_rgba(color)
    laid = [alpha * c + (1 - alpha) * g for c, g in zip(seen, ground, strict=True)]
    low, high = sorted((luminance(laid), luminance(ground)))
    return (high + 0.05) / (low + 0.05)


def drawn_lines(figure):
    """Colour, transparency included, and whether something is drawn faint, of all lines and bars."""
    lines = [line for ax in figure.axes for line in ax.lines]
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend() is not None] + figure.legends
    lines += [key for legend in legends for key in legend.get_lines()]
    for line in lines:
        alpha = 1.0 if line.get_alpha() is None else line.get_alpha()
        yield to_rgba(line.get_color(), alpha), alpha < 1 or line.get_linewidth() < 1.2
    for ax in figure.axes:
        for bars in ax.collections:
            if isinstance(bars, LineCollection):
                for color in bars.get_color():
                    yield tuple(color), True
        for bar in ax.patches:
            yield bar.get_facecolor(), True


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("kind", DRAWN)
def test_text_and_lines_are_readable_on_the_ground(kind, style, cbpp_fit):
    with plt.style.context(style):
        figure = DRAWN[kind](cbpp_fit).figure
        figure.canvas.draw()
        ground = to_rgb(figure.axes[0].get_facecolor())
        texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
        dim = {text.get_text() for text in texts if contrast(text.get_color(), ground) < TEXT}
        lines = list(drawn_lines(figure))
        named = [text for ax in figure.axes for text in (ax.xaxis.label, ax.yaxis.label, ax.title)] + figure.texts
        boxes = {text.get_text(): text.get_window_extent() for text in named if text.get_text()}
    assert texts and not dim
    size = figure.bbox
    assert not [words for words, box in boxes.items() if np.any(box.max > size.max + 1) or np.any(box.min < -1)]
    assert lines
    weak = [color for color, faint in lines if contrast(color, ground) < (FAINT if faint else LINE)]
    assert not weak


def test_legends_above_panels_stay_on_the_paper():
    """Two stories of three treatments, in panels: six long names in as many columns as there is room for."""
    x = np.linspace(0.0, 1.0, 5)
    rows = [
        {"x": value, "treat": treat, "category": category, "estimate": 0.2, "lower": 0.1, "upper": 0.3}
        for category in ("none", "mild", "moderate", "severe")
        for treat in ("low dose, mornings", "high dose, evenings", "placebo")
        for value in x
    ]
    table = pd.DataFrame(rows)
    table.attrs = {"groups": ("clinic",), "ci_prob": 0.89, "interval": "equal-tailed"}
    figure = bg.plots.conditional_marginal({"typical": table, "marginal": table}, x="x", color="treat")
    figure.draw_without_rendering()
    box, paper = figure.legends[0].get_window_extent(), figure.bbox
    assert paper.x0 <= box.x0 and box.x1 <= paper.x1
