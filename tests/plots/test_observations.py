"""Observations behind predictions, and names of levels on the horizontal axis."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def predicted(**columns):
    table = pd.DataFrame(columns)
    estimate = np.linspace(0.4, 0.6, len(table))
    return table.assign(estimate=estimate, sd=0.1, lower=estimate - 0.2, upper=estimate + 0.2)


def test_observations_lie_behind_predictions():
    data = pd.DataFrame({"x": [1, 2, 2], "y": [0.5, 1.0, 3.0], "s": ["u", "v", "v"]})
    ax = bg.plots.predictions(predicted(x=[1, 2, 3]), data=data, y="y")
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), data[["x", "y"]])
    assert ax.get_title(loc="left") == "points: observations"
    ax = bg.plots.predictions(
        predicted(x=list("aabb"), s=list("uvuv")), "x", "s", data=data.assign(x=["a", "b", "c"]), y="y"
    )
    assert len(ax.collections[0].get_offsets()) == 2  # no level c in the table


def test_two_values_of_a_number_are_levels():
    """Points with intervals at 0 and 1, not a line between them; a scale as soon as another value was seen."""
    data = pd.DataFrame({"t": [0, 1, 1], "y": [0.5, 1.0, 3.0]})
    for values in ([0, 1], [0.0, 1.0]):
        ax = bg.plots.predictions(predicted(t=values), data=data, y="y")
        assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1"]
        assert len(ax.collections[0].get_offsets()) == 3 and len(ax.lines[0].get_xdata()) == 2
        assert ax.lines[0].get_linestyle() == "None"
    for ax in (
        bg.plots.predictions(predicted(t=[0.0, 0.5, 1.0])),
        bg.plots.predictions(predicted(t=[0, 1]), data=data.assign(t=[0, 0.5, 1]), y="y"),
    ):
        assert ax.lines[0].get_linestyle() == "-"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": pd.DataFrame({"x": [1]})}, "belong together"),
        ({"y": "y"}, "belong together"),
        ({"data": pd.DataFrame({"x": [1], "y": [1]}), "y": "yy"}, "no column 'yy'"),
        ({"data": pd.DataFrame({"x": [1], "y": ["N"]}), "y": "y"}, "'y' holds no numbers.*== 'N'"),
    ],
)
def test_observations_that_cannot_be_drawn_are_refused(given, message):
    with pytest.raises(GLMMError, match=message):
        bg.plots.predictions(predicted(x=[1, 2]), **given)


@pytest.mark.parametrize("kind", [int, bool])
def test_zeros_and_ones_are_spread_outside_in_a_lane_for_each_colour(kind):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.integers(0, 4, 2000).astype(float), "s": rng.choice(["u", "v"], 2000)})
    data["y"] = rng.integers(0, 2, 2000).astype(kind)
    table = predicted(x=[0.0, 0.0, 3.0, 3.0], s=list("uvuv"))

    def draw():
        return bg.plots.predictions(table, "x", "s", data=data, y="y").collections[0]

    points = draw()
    x, y = np.asarray(points.get_offsets()).T
    np.testing.assert_array_equal(points.get_offsets(), draw().get_offsets())
    np.testing.assert_array_equal(x, data["x"])
    one, first = data["y"].to_numpy(dtype=bool), (data["s"] == "u").to_numpy()
    assert np.all(y[~one] < 0) and np.all(y[one] > 1) and np.all(np.abs(y - 0.5) < 0.65)
    assert len(np.unique(y)) > 1900
    assert y[one & first].max() < y[one & ~first].min() and y[~one & first].min() > y[~one & ~first].max()
    assert points.get_alpha() < 0.25 < bg.plots.predictions(
        table, "x", "s", data=data[:40], y="y"
    ).collections[0].get_alpha()  # fmt: skip


def test_observations_at_levels_lie_by_their_colour():
    data = pd.DataFrame({"x": ["a", "b"] * 50, "s": ["u"] * 50 + ["v"] * 50, "y": np.linspace(0.1, 0.9, 100)})
    ax = bg.plots.predictions(predicted(x=list("aabb"), s=list("uvuv")), "x", "s", data=data, y="y")
    place = np.asarray(ax.collections[0].get_offsets())[:, 0]
    first = (data["s"] == "u").to_numpy()
    level = (data["x"] == "b").to_numpy()
    assert np.all(place[first] < level[first]) and np.all(place[~first] > level[~first])


@pytest.mark.parametrize(
    ("names", "rotation"),
    [
        (["a", "b", "c"], 0),
        ([f"the long name {i}" for i in range(5)], 0),  # in lines
        ([f"a_name_of_twenty-six_letters{i}" for i in range(8)], 40),
        ([f"level number {i}" for i in range(40)], 90),
    ],
)
def test_names_of_levels_do_not_overlap(names, rotation):
    ax = bg.plots.predictions(predicted(x=names))
    ax.figure.canvas.draw()
    labels = ax.get_xticklabels()
    assert {label.get_rotation() for label in labels} == {rotation}
    assert [label.get_text().replace("\n", " ") for label in labels] == names
    boxes = [label.get_window_extent() for label in labels]
    if rotation == 0:
        assert all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False))
    else:
        apart = ax.transData.transform([[0, 0], [1, 0]])[:, 0]
        letter = labels[0].get_fontsize() * ax.figure.dpi / 72
        assert (apart[1] - apart[0]) * np.sin(np.radians(rotation)) > letter
    assert ax.get_window_extent().height > 0.5 * 4.0 * ax.figure.dpi  # names leave room for the figure
    assert all(box.y0 >= 0 and box.x0 >= 0 for box in boxes)
