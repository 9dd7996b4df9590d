"""Pedigrees: textbook answers, dense matrices on random ones, and what tables of animals get wrong."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import polars as pl
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError, DataWarning

#: Mrode (2014), Linear Models for the Prediction of Animal Breeding Values, tables 2.1 to 2.4.
MRODE = pd.DataFrame({"animal": [3, 4, 5, 6], "sire": [1, 1, 4, 5], "dam": [2, None, 3, 2]})


@pytest.fixture
def mrode():
    with pytest.warns(DataWarning, match="2 parents have no row in the pedigree and count as founders, .* 1"):
        return bg.Pedigree(MRODE)


def dense(pedigree):
    """A by its definition, one animal after the other (Henderson 1976)."""
    W = pedigree.structure.regression.toarray()
    known = [np.flatnonzero(row) for row in W]
    A = np.zeros_like(W)
    for i, row in enumerate(W):
        A[i, :i] = A[:i, i] = row[:i] @ A[:i, :i]
        parents = known[i] if len(known[i]) == 2 else np.repeat(known[i], 2 if row.sum() == 1.0 else 0)
        A[i, i] = 1.0 + (0.5 * A[parents[0], parents[1]] if len(parents) else 0.0)
    return A


def random_pedigree(n, founders, seed, selfing=False):
    rng = np.random.default_rng(seed)
    before = np.maximum(np.arange(n), 1)
    dam, sire = rng.integers(0, before), rng.integers(0, before)
    if not selfing:  # females have even numbers
        dam, sire = dam - dam % 2, np.minimum(sire + 1 - sire % 2, before - 1)
        sire = np.where(sire % 2 == 1, sire, -2)
    table = pd.DataFrame({"animal": np.arange(1, n + 1), "dam": dam + 1.0, "sire": sire + 1.0}).replace(-1.0, np.nan)
    table.loc[:founders, ["dam", "sire"]] = np.nan
    table.loc[rng.random(n) < 0.1, "dam"] = np.nan
    return table.sample(frac=1.0, random_state=seed)


def test_textbook(mrode):
    A = mrode.relatedness([1, 2, 3, 4, 5, 6]).to_numpy()
    expected = np.array(
        [
            [1, 0, 0.5, 0.5, 0.5, 0.25],
            [0, 1, 0.5, 0, 0.25, 0.625],
            [0.5, 0.5, 1, 0.25, 0.625, 0.5625],
            [0.5, 0, 0.25, 1, 0.625, 0.3125],
            [0.5, 0.25, 0.625, 0.625, 1.125, 0.6875],
            [0.25, 0.625, 0.5625, 0.3125, 0.6875, 1.125],
        ]
    )
    assert pytest.approx(expected, abs=1e-14) == A
    assert mrode.inbreeding[[5, 6]].tolist() == [0.125, 0.125]
    place = mrode.animals.get_indexer([1, 2, 3, 4, 5, 6])
    assert mrode.precision().toarray()[np.ix_(place, place)] == pytest.approx(np.linalg.inv(expected), abs=1e-12)


@pytest.mark.filterwarnings("ignore:Both dam and sire:bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize(("n", "founders", "selfing"), [(150, 10, False), (150, 4, True), (60, 1, True)])
def test_random_pedigrees(n, founders, selfing):
    pedigree = bg.Pedigree(random_pedigree(n, founders, 3, selfing))
    A = dense(pedigree)
    assert pedigree.inbreeding.max() > 0.05
    assert 1.0 + pedigree.inbreeding.to_numpy() == pytest.approx(np.diag(A), abs=1e-12)
    assert pedigree.precision().toarray() == pytest.approx(np.linalg.inv(A), abs=1e-8)
    assert pedigree.relatedness().to_numpy() == pytest.approx(A, abs=1e-12)
    assert pedigree.structure.log_det_precision == pytest.approx(-np.linalg.slogdet(A)[1], abs=1e-9)
    T = pedigree.structure.related(np.eye(n))
    assert T @ T.T == pytest.approx(A, abs=1e-12)


def test_order_of_rows_and_kinds_of_tables_do_not_matter():
    table = random_pedigree(80, 10, 5)
    first = bg.Pedigree(table).relatedness(range(1, 81)).to_numpy()
    text = table.assign(animal="a" + table["animal"].astype(str))
    for parent in ("dam", "sire"):
        text[parent] = [None if np.isnan(value) else f"a{int(value)}" for value in table[parent]]
    zeros = table.fillna(0).astype(int)
    again = [
        bg.Pedigree(text.sort_values("animal")).relatedness([f"a{i}" for i in range(1, 81)]),
        bg.Pedigree(zeros).relatedness(range(1, 81)),
        bg.Pedigree(pl.DataFrame(text)).relatedness([f"a{i}" for i in range(1, 81)]),
        bg.Pedigree(dict(zeros.rename(columns={"dam": "M"})), dam="M").relatedness(range(1, 81)),
    ]
    for A in again:
        assert first.tolist() == A.to_numpy().tolist()


def test_pruning_keeps_relationships():
    pedigree = bg.Pedigree(random_pedigree(120, 10, 7))
    some = pedigree.animals[[60, 75, 90]].tolist()
    part = pedigree.prune(some)
    assert part.size < pedigree.size
    assert part.relatedness(some).to_numpy() == pytest.approx(pedigree.relatedness(some).to_numpy(), abs=1e-14)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"animal": ["a", "b", "c"], "dam": ["b", "c", "a"], "sire": [None] * 3}, "'a' is offspring of 'b'"),
        ({"animal": ["a", "b"], "dam": ["a", None], "sire": [None] * 2}, "their own parent in the pedigree: 'a'"),
        ({"animal": ["a", "a", "m", "n"], "dam": ["m", "n", 0, 0], "sire": [0] * 4}, "different parents .* 'a'"),
        ({"animal": ["a", None], "dam": [None, None], "sire": [None, None]}, "Row 1 .* has no animal in 'animal'"),
        ({"animal": [1.5, 2.0], "dam": [None, None], "sire": [None, None]}, "fractions, such as 1.5"),
        ({"id": ["a"], "dam": [None], "sire": [None]}, "no column 'animal'"),
        ({"animal": [], "dam": [], "sire": []}, "no rows"),
        ("animal", "a row for each animal, not 'animal'"),
    ],
)
def test_what_is_wrong_is_named(table, message):
    with pytest.raises(DataError, match=message):
        bg.Pedigree(table)


def test_what_is_accepted_with_words():
    twice = {"animal": ["m", "f", "k", "k"], "dam": [0, 0, "m", "m"], "sire": [0, 0, "f", "f"]}
    with pytest.warns(DataWarning, match="1 rows of the pedigree say the same again .'k'."):
        assert bg.Pedigree(twice).size == 3
    both = {"animal": ["p", "q", "r"], "dam": [0, "p", "q"], "sire": [0, "p", "p"]}
    with pytest.warns(DataWarning, match="Both dam and sire in the pedigree: 'p'. That is right for plants"):
        assert bg.Pedigree(both).inbreeding.tolist() == [0.0, 0.5, 0.5]


def test_unknown_animals_are_named(mrode):
    with pytest.raises(DataError, match=r"Not in the pedigree: 'x'.*Valid values"):
        mrode.relatedness(["x"])


@pytest.mark.filterwarnings("ignore:Both dam and sire:bayes_glmm.errors.DataWarning")
def test_a_hundred_thousand_animals():
    rng, size, made = np.random.default_rng(1), 5000, []
    for generation in range(20):
        first = size * generation
        parents = first - size + rng.permutation(size)
        mothers, fathers = parents[:2400], parents[2400:2450]
        known = generation > 0
        dam = rng.choice(mothers, size) + 1 if known else np.zeros(size, dtype=int)
        sire = rng.choice(fathers, size) + 1 if known else np.zeros(size, dtype=int)
        made.append(pd.DataFrame({"animal": first + 1 + np.arange(size), "dam": dam, "sire": sire}))
    table = pd.concat(made)
    assert bg.Pedigree(table[:6000]).inbreeding.max() >= 0.0  # compiled before time is taken
    started = time.process_time()
    pedigree = bg.Pedigree(table)
    assert pedigree.precision().shape == (100_000, 100_000)
    assert time.process_time() - started < 3.0
