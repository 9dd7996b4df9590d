"""Covariance and precision matrices: every kind of table, and what is wrong with some."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import sparse

import bayes_glmm as bg
from bayes_glmm.errors import DataError
from bayes_glmm.structures.matrix import as_structure

LABELS = list("abcdefgh")


@pytest.fixture
def matrix():
    X = np.random.default_rng(1).normal(size=(8, 20))
    return X @ X.T / 20


def covariance(structure):
    """A in the order of LABELS."""
    T = structure.related(np.eye(structure.size))
    place = [structure.labels.index(label) for label in LABELS]
    return (T @ T.T)[np.ix_(place, place)]


def test_kinds_of_matrices_say_the_same(matrix):
    given = [
        pd.DataFrame(matrix, LABELS, LABELS),
        xr.DataArray(matrix, dims=("g", "g2"), coords={"g": LABELS}),
        bg.Precision(np.linalg.inv(matrix), LABELS),
        bg.Precision(sparse.csc_array(np.linalg.inv(matrix)), levels=LABELS),
        bg.Precision(pd.DataFrame(np.linalg.inv(matrix), LABELS, LABELS)),
    ]
    for one in given:
        structure = as_structure(one, "g")
        assert covariance(structure) == pytest.approx(matrix, abs=1e-12)
        assert structure.log_det_precision == pytest.approx(-np.linalg.slogdet(matrix)[1])
        place = [structure.labels.index(label) for label in LABELS]
        assert structure.variances[place] == pytest.approx(np.diag(matrix))
        assert structure.precision.toarray()[np.ix_(place, place)] == pytest.approx(np.linalg.inv(matrix), abs=1e-9)


def test_a_sparse_precision_stays_sparse():
    chain = sparse.diags_array([-0.9 * np.ones(99), np.full(100, 2.0), -0.9 * np.ones(99)], offsets=[-1, 0, 1])
    structure = bg.Precision(chain, levels=range(100)).structure
    assert structure.regression.nnz == 99
    assert structure.precision.nnz == 298


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m[:4], "must be square"),
        (lambda m: np.where(np.eye(8) > 0, np.nan, m), "missing or not finite, in row 'a'"),
        (lambda m: m + np.eye(8, k=1), "not symmetric"),
        (lambda m: m - 2.0 * np.eye(8), "not positive definite: its smallest eigenvalue"),
        (lambda m: np.ones((8, 8)), "Levels that are the same"),
    ],
)
def test_what_is_wrong_with_a_matrix(matrix, change, message):
    with pytest.raises(DataError, match=message):
        bg.Precision(change(matrix), LABELS[: len(change(matrix))])


def test_names_are_needed(matrix):
    with pytest.raises(DataError, match=r"covariances\['g'\]: The matrix does not say which level each row is"):
        as_structure(matrix, "g")
    with pytest.raises(DataError, match="same name: 'a'"):
        bg.Precision(matrix, ["a", "a", *LABELS[2:]])
    with pytest.raises(DataError, match="7 names for 8 rows"):
        bg.Precision(matrix, LABELS[:7])
    with pytest.raises(DataError, match="different names, or another order"):
        as_structure(pd.DataFrame(matrix, LABELS, LABELS[::-1]), "g")
    with pytest.raises(DataError, match="not 'A'"):
        as_structure("A", "g")


def test_a_table_of_parents_is_no_matrix():
    table = pd.DataFrame({"animal": ["a", "b", "c", "d"], "dam": None, "sire": None})
    with pytest.raises(DataError, match=r"not 4 rows and 3 columns. A table of parents is bg.Pedigree\(table\)"):
        as_structure(table, "animal")
