"""Panels stay readable whatever levels are called and however many there are: sizes and places, not pixels."""

import dataclasses
import inspect
import itertools
from functools import cache
from types import SimpleNamespace

import arviz_base
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.legend import Legend

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from bayes_glmm.plots.names import fitted, shortened, wrapped

ATTRS = {"ci_prob": 0.89, "predicted": "probability of incidence", "random_effects": "typical", "groups": ["hospital"]}
NAMES = {
    "5 long": [f"Department of Internal Medicine and Geriatrics, County Hospital no. {i} North" for i in range(5)],
    "25 long": [f"Department of Internal Medicine and Geriatrics, County Hospital no. {i} North" for i in range(25)],
    "60 unbroken": [f"Escherichia_coli_substr_K12_MG1655_chromosome_region_{i:03}_strand_forward" for i in range(60)],
    "300 long": [f"Department of Internal Medicine and Geriatrics, County Hospital no. {i} North" for i in range(300)],
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def estimates(count, **columns):
    estimate = np.linspace(0.3, 0.7, count)
    table = pd.DataFrame(columns, index=range(count))
    table = table.assign(estimate=estimate, sd=0.05, lower=estimate - 0.1, upper=estimate + 0.1)
    table.attrs = dict(ATTRS)
    return table


def joined(tables):
    table = pd.concat(tables, ignore_index=True)
    table.attrs = dict(ATTRS)
    return table


def levels(names):
    table = joined(estimates(len(names), group="hospital", level=names, term=term) for term in ("Intercept", "dose"))
    return table.assign(no_pooling=table["estimate"], partial_pooling=table["estimate"], complete_pooling=0.5)


def checked(names):
    table = estimates(len(names), hospital=names).rename(columns={"estimate": "mean"})
    return table.drop(columns="sd").assign(stat="mean", rows=4, observed=table["mean"] + 0.08, p_value=0.5)


def simulated(names):
    rows = 2 * len(names)
    values = np.random.default_rng(1).normal(size=(1, 20, rows))
    tree = arviz_base.from_dict({"observed_data": {"y": values[0, 0]}, "posterior_predictive": {"y": values}})
    return bg.simulate_residuals(tree, random_seed=1, data=pd.DataFrame({"hospital": np.resize(names, rows)}))


def contrasts(names):
    table = estimates(len(names) - 1, term="hospital", contrast=[f"{name} - {names[0]}" for name in names[1:]])
    return {"conditional": table, "marginal": table, "a story that is told in rather a lot of words": table}


def curves(count=9, **columns):
    return estimates(count, dose=np.linspace(0, 10, count), **columns)


def each_level(names):
    return joined(curves(hospital=name) for name in names)


def ranks(names):
    position = (np.arange(19) + 0.5) / 19
    names = names[:12]
    variables = {
        "rank": (("fit", "quantity"), np.arange(20 * len(names)).reshape(20, -1) % 20),
        "lower": ("draw", position - 0.2),
        "upper": ("draw", position + 0.2),
    }
    return SimpleNamespace(
        ranks=xr.Dataset(variables, coords={"quantity": names, "position": ("draw", position)}),
        table=pd.DataFrame({"p_value": 0.5, "adjusted": 0.5}, index=names),
    )


def components(names):
    groups = names[:4]
    shares = {"share": 0.2, "share_lower": 0.1, "share_upper": 0.3}
    return pd.DataFrame({"component": "random", "group": groups}).assign(**shares)


@cache
def fitted_model(names):
    """A Laplace fit of a factor with such levels and responses of such a name, with predictions and a prior."""
    rng, rows = np.random.default_rng(4), 2 * len(names)
    data = pd.DataFrame({"f": np.resize(names, rows), "g": np.arange(rows) % 4, names[0]: rng.poisson(3, rows)})
    fit = bg.GLMM(f"`{names[0]}` ~ f + (1 | g)", data, family="poisson").fit(
        method="laplace", draws=40, chains=2, random_seed=1, progressbar=False
    )
    fit.dt["prior"] = 2 * fit.posterior  # as wide as any; draws by PyMC would take seconds
    return fit.extend("posterior_predictive", random_seed=1)


def as_nuts(fit):
    """The same draws, as if they came from NUTS."""
    tree = fit.dt.copy()
    tree.attrs = fit.dt.attrs | {"method": "nuts"}
    return dataclasses.replace(fit, dt=tree)


def meta_analysis(names):
    kinds = ["study"] * len(names) + ["average", "new study"]
    table = estimates(len(kinds), kind=kinds, study=[*names, *kinds[-2:]])
    observed = table["estimate"].where(table["kind"] == "study") + 0.05
    table = table.assign(observed=observed, se=0.08 + 0.1 * observed, fitted=0.5)
    table = table.assign(observed_lower=observed - table["se"], observed_upper=observed + table["se"])
    table.attrs = {"response": "log ratio of risks of readmission within thirty days", "ci_prob": 0.89}
    return table


def stories(names):
    return {"each hospital": each_level(names), names[0]: curves()}


def coloured(names):
    two = joined(curves(treat=treat) for treat in names[:2])
    return {"typical": two, "a story that is told in rather a lot of words": two}


def beside(names):
    return joined(estimates(len(names), hospital=names, treat=treat) for treat in names[:2])


def three_panels(names):
    return joined(each_level(names).assign(treat=treat) for treat in names[:3])


def both_fits(names):
    fit = fitted_model(tuple(names))
    return fit, as_nuts(fit)


# plot -> what is drawn: the function's first arguments, and others by name
DRAWN = {
    "random_effects": lambda names: ((levels(names),), {}),
    "shrinkage": lambda names: ((levels(names),), {}),
    "predictive_check": lambda names: ((checked(names),), {}),
    "residuals": lambda names: ((simulated(names),), {"by": "hospital"}),
    "conditional_marginal": lambda names: ((contrasts(names),), {}),
    "conditional_marginal, curves": lambda names: ((stories(names),), {"x": "dose"}),
    "conditional_marginal, colours": lambda names: ((coloured(names),), {"x": "dose", "color": "treat"}),
    "predictions": lambda names: ((estimates(len(names), hospital=names),), {}),
    "predictions, colours at levels": lambda names: ((beside(names), "hospital", "treat"), {}),
    "predictions, lines": lambda names: ((each_level(names), "dose", "hospital"), {}),
    "predictions, panels": lambda names: ((three_panels(names), "dose", "hospital"), {}),
    "calibration": lambda names: ((ranks(names),), {}),
    "variance_components": lambda names: ((components(names),), {}),
    "trace": lambda names: ((fitted_model(tuple(names)),), {}),
    "prior_posterior": lambda names: ((fitted_model(tuple(names)),), {}),
    "laplace_vs_nuts": lambda names: (both_fits(names), {}),
    "ppc": lambda names: ((fitted_model(tuple(names)),), {}),
    "forest": lambda names: ((meta_analysis(names),), {}),
    "forest, ratios": lambda names: ((meta_analysis(names),), {"exponentiate": True, "sort": True}),
    "funnel": lambda names: ((meta_analysis(names),), {}),
}


def drawn(kind, names, **on):
    """What a plot returns, on axes or a figure of the user's if those are given."""
    first, others = DRAWN[kind](names)
    return getattr(bg.plots, kind.split(",")[0])(*first, **others, **on)


def test_every_plot_is_drawn_here():
    assert set(bg.plots.__all__) == {name.split(",")[0] for name in DRAWN}


def overlaps(one, other):
    """How far boxes overlap, pixels in the direction in which they overlap least."""
    return min(min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0))


def tick_labels(ax):
    """Tick labels of both axes that are drawn: those beyond the ends are not."""
    for number, (axis, ends) in enumerate(((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim()))):
        labels = [one for one in axis.get_ticklabels() if one.get_visible() and one.get_text()]
        yield [one for one in labels if min(ends) <= one.get_position()[number] <= max(ends)]


def labels_too_near(ax):
    """Neighbouring tick labels that overlap, a letter's height apart across their direction if they are turned."""
    for shown in tick_labels(ax):
        for one, other in itertools.pairwise(shown):
            turned = np.radians(one.get_rotation())
            if turned:
                apart = np.diff(ax.transData.transform([one.get_position(), other.get_position()]), axis=0)[0, 0]
                lines = one.get_text().count("\n") + 1
                near = apart * np.sin(turned) < lines * one.get_fontsize() * ax.figure.dpi / 72
            else:
                near = overlaps(one.get_window_extent(), other.get_window_extent()) > 1
            if near:
                yield one.get_text(), other.get_text()


def cells():
    """Every plot with every kind of names; three hundred long ones are slow, but for the plots of levels."""
    for kind, names in itertools.product(DRAWN, ["5 long", "60 unbroken", "300 long"]):
        slow = names == "300 long" and kind != "random_effects"
        yield pytest.param(kind, names, marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize(("kind", "names"), list(cells()))
def test_names_leave_the_panels_readable(kind, names):
    figure = drawn(kind, NAMES[names]).figure
    figure.canvas.draw()
    dpi, paper = figure.dpi, figure.bbox
    panels = [ax for ax in figure.axes if ax.get_visible()]
    for ax in panels:
        box = ax.get_position(original=True)
        assert box.width * paper.width > 2.1 * dpi and box.height * paper.height > (0.5 if ax.get_yticks().any() else 1)
        assert not list(labels_too_near(ax))
    assert sum(box.width * box.height for box in (ax.get_position(original=True) for ax in panels)) > 0.25
    assert paper.width < 14 * dpi and paper.height < 15 * dpi
    texts = [text for ax in panels for labels in tick_labels(ax) for text in labels]
    texts += [text for ax in panels for text in (ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title, *ax.texts)]
    texts += [*figure.texts, *(text for legend in figure.findobj(Legend) for text in legend.get_texts())]
    boxes = {one.get_text(): one.get_window_extent() for one in texts if one.get_text()}
    cut = [text for text, box in boxes.items() if np.any(box.min < -2) or np.any(box.max > paper.max + 2)]
    assert not cut
    keys = [legend.get_window_extent() for legend in figure.findobj(Legend)]
    titles = [text for text in (*figure.texts, *(ax.title for ax in panels)) if text.get_text()]
    for key in keys:
        assert all(overlaps(key, ax.get_window_extent()) < 2 for ax in panels)
        assert all(overlaps(key, title.get_window_extent()) < 2 for title in titles)


def test_levels_too_many_for_names_are_counted():
    names = NAMES["300 long"]
    assert bg.plots.predictions(estimates(300, hospital=names)).get_xlabel() == "hospital (300 levels)"
    assert bg.plots.predictive_check(checked(names)).get_ylabel() == "hospital (300 groups)"
    assert bg.plots.random_effects(levels(names)).get_supylabel() == "hospital (300 levels)"


@pytest.mark.parametrize("style", ["default", pytest.param("dark_background", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", DRAWN)
def test_every_plot_goes_onto_the_users_axes_or_figure(kind, style):
    """Axes for one panel, a figure or a part of one for several: it is handed back, and no other figure is made."""
    takes = inspect.signature(getattr(bg.plots, kind.split(",")[0])).parameters
    assert ("ax" in takes) != ("figure" in takes)
    names = NAMES["25 long"]
    with plt.style.context(style):
        figure = plt.figure(figsize=(9, 7))
        if "ax" in takes:
            ax = figure.subplots()
            if kind == "predictions, panels":
                with pytest.raises(GLMMError, match="one pair of axes cannot hold a panel for each"):
                    drawn(kind, names, ax=ax)
                return
            assert drawn(kind, names, ax=ax) is ax
        else:
            part, _ = figure.subfigures(2, 1)
            assert drawn(kind, names, figure=part) is part
            with pytest.raises(GLMMError, match="figure= takes a figure without axes"):
                drawn(kind, names, figure=part)
            with pytest.raises(GLMMError, match="figure= takes a matplotlib Figure or SubFigure, not 'part'"):
                drawn(kind, names, figure="part")
        figure.canvas.draw()
    assert tuple(figure.get_size_inches()) == (9, 7) and plt.get_fignums() == [figure.number]


def test_axes_of_the_user_keep_their_size():
    figure, ax = plt.subplots(figsize=(5, 3))
    assert bg.plots.predictions(estimates(5, hospital=NAMES["5 long"]), ax=ax) is ax
    assert tuple(figure.get_size_inches()) == (5, 3)


# names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(("letters", "lines"), [(36, 1), (36, 2), (18, 1)])
def test_names_fit_and_stay_different(kind, letters, lines):
    names = NAMES[kind]
    short = fitted(names, letters, lines)
    assert len(set(short)) == len(names)
    assert all(len(line) <= letters for name in short for line in name.split("\n"))
    assert max(name.count("\n") + 1 for name in short) <= lines


def test_names_that_no_cut_tells_apart_stay_whole():
    names = ["x" * i + "abcdefghij" * 4 + letter + "abcdefghij" * 4 for i in (0, 30) for letter in "pq"]
    assert shortened(names, 12) == names


@pytest.mark.parametrize(
    ("text", "letters", "lines"),
    [
        ("one two three", 9, "one two\nthree"),
        ("a_long_name_of_parts", 12, "a_long_name_\nof_parts"),
        ("abcdefghijkl", 5, "abcde\nfghij\nkl"),
        ("first level - second level", 14, "first level\n- second level"),
        ("kept\nbreaks", 20, "kept\nbreaks"),
    ],
)
def test_text_breaks_where_words_end(text, letters, lines):
    assert wrapped(text, letters) == lines


# several lines ------------------------------------------------------------------------------------------------------


def treated(**columns):
    return joined(curves(treat=treat, **columns) for treat in "ab")


def test_lines_that_one_column_tells_apart_have_its_colours_and_bands():
    ax = bg.plots.predictions(treated(), "dose")
    assert ax.get_legend().get_title().get_text() == "treat"
    assert len(ax.lines) == len(ax.collections) == 2
    assert len({line.get_color() for line in ax.lines}) == len({line.is_dashed() for line in ax.lines}) == 2


@pytest.mark.parametrize("numeric", [True, False])
def test_further_columns_have_panels(numeric):
    table = joined(treated(sex=sex) for sex in "fm")
    table["dose"] = table["dose"] if numeric else table["dose"].astype(str)
    data = pd.DataFrame({"dose": table["dose"], "y": 0.5, "treat": table["treat"], "sex": table["sex"]})
    figure = bg.plots.predictions(table, "dose", data=data[:-4], y="y")
    assert [ax.get_title() for ax in figure.axes] == ["sex f", "sex m"]
    assert [len(ax.collections[0].get_offsets()) for ax in figure.axes] == [18, 14]
    assert len(figure.legends) == 1
    with pytest.raises(GLMMError, match="a panel for each sex"):
        bg.plots.predictions(table, "dose", ax=plt.subplots()[1])
    with pytest.raises(GLMMError, match="'data'|data: the table has no column 'sex'"):
        bg.plots.predictions(table, "dose", data=data.drop(columns="sex"), y="y")


def test_ordered_responses_with_a_treatment_have_a_panel_for_each():
    table = joined(treated(category=c) for c in ("poor", "fair"))
    figure = bg.plots.predictions(table, "dose")
    assert [ax.get_title() for ax in figure.axes] == ["treat a", "treat b"]
    figure = bg.plots.conditional_marginal({"typical": table, "marginal": table}, x="dose")
    assert [ax.get_title() for ax in figure.axes] == [
        "treat a, poor",
        "treat a, fair",
        "treat b, poor",
        "treat b, fair",
    ]


def test_curves_of_a_treatment_have_panels_with_the_bands_the_legend_promises():
    each = joined(treated(hospital=name) for name in "uvw")
    figure = bg.plots.conditional_marginal({"each": each, "typical": treated(), "marginal": treated()}, x="dose")
    assert [ax.get_title() for ax in figure.axes] == ["treat a", "treat b"]
    assert all(len(ax.collections) == 2 and len(ax.lines) == 5 for ax in figure.axes)
    assert figure.legends[0].get_title().get_text() == "mean and 89% band"
    ax = bg.plots.conditional_marginal({"each": each.query("treat == 'a'")}, x="dose")
    assert ax.get_legend().get_title().get_text() == "means" and not ax.collections


def test_a_treatment_in_one_table_only_has_a_line_with_a_band_for_each_value():
    ax = bg.plots.conditional_marginal({"typical": treated(), "all": curves()}, x="dose")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["typical, a", "typical, b", "all"]
    assert len(ax.collections) == len({line.get_color() for line in ax.lines}) == 3


def test_more_lines_than_colours_tell_apart_are_thin_and_counted():
    ax = bg.plots.predictions(each_level(NAMES["25 long"]), "dose", "hospital")
    assert len(ax.lines) == 25 and not ax.collections and len({line.get_color() for line in ax.lines}) == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["hospital (25 levels)"]
    assert "means" in ax.get_title(loc="left") and "band" not in ax.get_title(loc="left")


def test_rows_as_fitted_are_told_apart_by_levels_and_not_by_measurements(sleepstudy_fit):
    table = bg.predictions(sleepstudy_fit)
    assert bg.plots.predictions(table, "Days").get_legend().get_title().get_text() == "Subject"
    ax = bg.plots.conditional_marginal({"each": table}, x="Days")
    assert len(ax.lines) == 18
    with pytest.raises(GLMMError, match="several rows share one value of Days and no levels tell them apart"):
        bg.plots.predictions(table.drop(columns="Subject").assign(z=np.arange(180.0)), "Days")


def test_too_many_panels_are_refused():
    table = joined(treated(age=str(age)) for age in range(21))
    with pytest.raises(GLMMError, match="21 panels, of which a figure has 20 at most"):
        bg.plots.predictions(table, "dose")


# notebooks ----------------------------------------------------------------------------------------------------------


def test_a_figure_appears_once_in_a_notebook(monkeypatch):
    """What shows it first, pyplot at the end of a cell or IPython what the cell returns, takes it from the other."""
    figure = bg.plots.random_effects(levels(list("abc")))
    with pytest.raises(NotImplementedError):  # IPython then shows it as it shows any figure
        figure._ipython_display_()
    assert plt.fignum_exists(figure.number)  # windows stay open
    monkeypatch.setattr("bayes_glmm.plots.notebook.get_backend", lambda: "module://matplotlib_inline.backend_inline")
    with pytest.raises(NotImplementedError):
        figure._ipython_display_()
    assert not plt.fignum_exists(figure.number)


def test_completion_offers_plots_only():
    assert dir(bg.plots) == sorted(bg.plots.__all__)
