"""Effects correlated in time and space against dense matrices: covariance, density, conditionals, precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.errors import DataError
from bayes_glmm.structures.series import Clock, Series
from bayes_glmm.structures.spectrum import Spectrum, walk
from tests.structures.oracles import dense_covariance

RNG = np.random.default_rng(1)
SERIES = np.array([0, 1, 0, 0, 1, 2, 1, 0])
TIMES = np.array([3.0, 7.0, 0.0, 1.0, 2.0, 5.0, 3.0, 9.0])
NEAR = {"a": ["b", "c"], "b": ["c", "d"], "c": [], "d": ["e"], "e": [], "f": ["g"], "g": [], "island": []}


def series(kind):
    return Series.of(kind, range(8), SERIES, TIMES, 2.0, Clock("numbers"))


def field(kind):
    if kind in ("ar1", "ou"):
        return series(kind)
    if kind in ("rw1", "rw2"):
        return walk(kind, range(14), 7)  # two walks
    near = {**NEAR, "island": ["g"]} if kind == "car" else NEAR
    return bg.Adjacency(near).spectrum(kind)


KINDS = ["ar1", "ou", "rw1", "rw2", "car", "leroux", "icar", "bym2"]


@pytest.mark.parametrize("kind", KINDS)
def test_joint_draws_have_the_covariance(kind):
    """The root of the covariance is what identity matrices become."""
    own, values = field(kind), [-0.6, 0.3] if kind == "ar1" else [0.3, 0.9]
    for value in values:
        root = own.related(np.eye(own.size), np.full(own.size, value))
        np.testing.assert_allclose(root @ root.T, dense_covariance(own, value), atol=1e-12)
        np.testing.assert_allclose(own.spread(np.array([value]))[0], np.diag(root @ root.T), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_density_is_the_multivariate_normal(kind):
    """On the directions that an intrinsic kind has."""
    own, values = field(kind), np.array([0.3, 0.8])
    covariances = [dense_covariance(own, value) for value in values]
    effects = np.stack(
        [np.linalg.cholesky(C + 1e-12 * np.eye(own.size)) @ RNG.normal(size=own.size) for C in covariances]
    )
    for C, u in zip(covariances, effects, strict=True):
        vectors = np.linalg.svd(C)[0][:, : np.linalg.matrix_rank(C)]
        u[:] = vectors @ (vectors.T @ u)
    squares, log_det = own.log_density(effects[:, :, None], values)
    expected = [
        -2.0 * stats.multivariate_normal(cov=C, allow_singular=True).logpdf(u)
        - np.linalg.matrix_rank(C) * np.log(2 * np.pi)
        for C, u in zip(covariances, effects, strict=True)
    ]
    found = squares[:, 0] - log_det
    # leroux and car leave out constants that depend on the map alone
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-8)


@pytest.mark.parametrize("kind", ["ar1", "ou", "car", "leroux", "bym2"])
def test_a_level_given_the_others(kind):
    own, values = field(kind), np.array([0.35, 0.85])
    effects = RNG.normal(size=(2, own.size, 1))
    levels = np.arange(own.size)
    mean, scale = own.given_others(effects, levels, values)
    for s, value in enumerate(values):
        Q = np.linalg.inv(dense_covariance(own, value))
        u = effects[s, :, 0]
        np.testing.assert_allclose(mean[s, :, 0], u - Q @ u / np.diag(Q), atol=1e-10)
        np.testing.assert_allclose(scale[s], 1.0 / np.sqrt(np.diag(Q)), rtol=1e-10)


@pytest.mark.parametrize(("kind", "value"), [("ar1", -0.7), ("ar1", 0.8), ("ou", 0.4)])
def test_new_times_are_drawn_together_given_those_fitted(kind, value):
    """Means and covariance of times before, between and after, and of a series that was not seen."""
    own = series(kind).with_levels(["x"] * 5, np.array([0, 0, 0, 3, 3]), np.array([11.0, 5.0, 6.0, 2.0, 1.0]))
    fitted, everything = np.arange(8), Series.of(kind, range(13), own.series, own.times, 2.0, Clock("numbers"))
    C = dense_covariance(everything, value)
    weights = C[8:, :8] @ np.linalg.inv(C[:8, :8])
    u = RNG.normal(size=8)
    zero = own.continued(np.tile(u[None, :, None], (1, 1, 1)), np.zeros((1, 5, 1)), np.array([value]))
    np.testing.assert_allclose(zero[0, :, 0], weights @ u, atol=1e-12)
    # linear in the standard normal values: each of them by itself
    parts = own.continued(np.zeros((5, 8, 1)), np.eye(5)[:, :, None], np.full(5, value))[:, :, 0]
    np.testing.assert_allclose(parts.T @ parts, C[8:, 8:] - weights @ C[:8, 8:], atol=1e-12)
    assert fitted.size == own.size


@pytest.mark.parametrize("kind", ["ar1", "ou", "car", "leroux"])
def test_the_parts_of_the_precision_add_up(kind):
    from bayes_glmm.engine.dependence import CODES, count_parts, fill_parts

    own, step = field(kind), 1e-6
    parts = own.parts
    code = CODES[kind]

    def at(value):
        f, slopes = (
            np.empty(count_parts.py_func(code, parts.numbers)),
            np.empty(count_parts.py_func(code, parts.numbers)),
        )
        return f, slopes, fill_parts.py_func(code, value, parts.numbers, parts.times, f, slopes)

    for value in (0.25, 0.7):
        f, slopes, (log_det, d_log_det) = at(value)
        Q = np.zeros((own.size, own.size))
        np.add.at(Q, (parts.rows, parts.columns), parts.values * f[parts.part])
        Q += np.tril(Q, -1).T
        np.testing.assert_allclose(Q, np.linalg.inv(dense_covariance(own, value)), atol=1e-10)
        (above, _, (high, _)), (below, _, (low, _)) = at(value + step), at(value - step)
        np.testing.assert_allclose(slopes, (above - below) / (2 * step), atol=1e-6)
        np.testing.assert_allclose(d_log_det, (high - low) / (2 * step), rtol=1e-6)
        constant = np.linalg.slogdet(Q)[1] - log_det
        assert kind in ("car",) or abs(constant) < 1e-10


def test_walks_sum_to_zero_and_have_variance_one():
    """The geometric mean of the variances is one; effects of order two have no line, either."""
    for order, kind in enumerate(("rw1", "rw2"), start=1):
        own = walk(kind, range(20), 20)
        C = dense_covariance(own, 0.0)
        assert np.exp(np.mean(np.log(np.diag(C)))) == pytest.approx(1.0)
        for power in range(order):
            np.testing.assert_allclose(C @ np.arange(20.0) ** power, 0.0, atol=1e-9)


def test_each_part_of_a_map_has_its_own_scale():
    C = dense_covariance(bg.Adjacency(NEAR).spectrum("icar"), 0.0)
    parts = [slice(0, 5), slice(5, 7), slice(7, 8)]
    for part in parts:
        assert np.exp(np.mean(np.log(np.diag(C)[part]))) == pytest.approx(1.0)
        assert abs(C[part, part].sum()) < 1e-10 or part == parts[2]
        outside = np.delete(C[part], np.arange(8)[part], axis=1)
        assert not outside.any()


def test_neighbours_as_people_have_them():
    import pandas as pd
    from scipy import sparse

    wanted = bg.Adjacency({"a": ["b"], "b": ["c"], "c": []})
    matrix = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    frame = pd.DataFrame(matrix, index=list("abc"), columns=list("abc"))

    class Weights:
        neighbors = {"a": ["b"], "b": ["a", "c"], "c": ["b"]}

    for given in (
        bg.Adjacency(frame),
        bg.Adjacency(matrix, regions=list("abc")),
        bg.Adjacency(sparse.csr_array(matrix), regions=list("abc")),
        bg.Adjacency(pd.DataFrame({"one": ["a", "c", "b"], "other": ["b", "b", "a"]}), regions=list("abc")),
        bg.Adjacency(Weights()),
    ):
        assert given.labels == wanted.labels
        assert given.edges.tolist() == wanted.edges.tolist()
    again = bg.Adjacency.of_edges(wanted.labels, wanted.edges)
    assert (again.labels, again.edges.tolist()) == (wanted.labels, wanted.edges.tolist())
    numbers = bg.Adjacency({1: [2], 2: ["1", 3]})  # 1 and "1" are one region
    assert numbers.labels == (1, 2, 3)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ({"a": ["a"]}, {}, "own neighbour: 'a'"),
        ({"a": "b"}, {}, "a list for each region"),
        ({"a": []}, {}, "no two neighbours"),
        ({"a": ["b"]}, {"regions": ["a"]}, "does not have 'b'"),
        (np.eye(2), {}, "which region each row is"),
        (np.array([[0, 0.5], [0.5, 0]]), {"regions": "ab"}, "holds 0.5"),
        (np.array([[0, 1], [0, 0]]), {"regions": "ab"}, "'a' is a neighbour of 'b', but not the reverse"),
        (np.array([[0, 1], [1, 0]]), {"regions": ["a", "a"]}, "same name"),
        (3, {}, "dictionary"),
    ],
)
def test_what_is_no_map_is_refused(given, options, message):
    with pytest.raises(DataError, match=message):
        bg.Adjacency(given, **options)


def test_car_needs_neighbours_everywhere():
    with pytest.raises(DataError, match=r"no variance: 'island'. Use bym2\(\)"):
        bg.Adjacency(NEAR).spectrum("car")
    assert isinstance(bg.Adjacency(NEAR).spectrum("bym2"), Spectrum)
