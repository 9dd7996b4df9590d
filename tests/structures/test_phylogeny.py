"""Trees in Newick's notation: covariances by hand, and texts that are no trees."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import DataError


def test_covariance_is_the_shared_way_from_the_root():
    tree = bg.Phylogeny("((a:1,'b c':2)x:1,(c:1.5,(d:1,e:1):.7)[one clade]:.5,f:3)root:9;", scale=False)
    expected = np.diag([2.0, 3.0, 2.0, 2.2, 2.2, 3.0])
    expected[0, 1] = expected[1, 0] = 1.0
    expected[2, 3:5] = expected[3:5, 2] = 0.5
    expected[3, 4] = expected[4, 3] = 1.2
    covariance = tree.relatedness()
    assert list(covariance.index) == ["a", "b c", "c", "d", "e", "f"]
    assert covariance.to_numpy() == pytest.approx(expected, abs=1e-15)
    assert tree.structure.labels == ("x", "a", "b c", "node1", "c", "node2", "d", "e", "f")


def test_inner_nodes_keep_the_precision_sparse():
    rng = np.random.default_rng(1)
    nodes = [f"s{i}:1" for i in range(64)]
    while len(nodes) > 1:
        i, j = sorted(rng.choice(len(nodes), 2, replace=False))
        right, left = nodes.pop(j), nodes.pop(i)
        nodes.append(f"({left},{right}):{rng.uniform(0.1, 2.0):.3f}")
    structure = bg.Phylogeny(nodes[0] + ";").structure
    T = structure.related(np.eye(structure.size))
    assert structure.precision.toarray() @ (T @ T.T) == pytest.approx(np.eye(structure.size), abs=1e-9)
    assert structure.precision.nnz < 4 * structure.size
    assert structure.variances == pytest.approx(np.diag(T @ T.T))


def test_lengths_are_scaled_to_the_mean_tip():
    assert np.diag(bg.Phylogeny("((a:1,b:1):1,c:4);").relatedness()).mean() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a,b);", "branch to 'a' has no length"),
        ("(a:0,b:1);", "branch to 'a' has length 0"),
        ("((a:1,b:1);", "ends before its parentheses are closed"),
        ("(a:1,b:1));", r"'\)' or ',' without its '\('"),
        ("a", r"begins with '\('"),
        ("(a:1,a:2);", "occur twice in the tree: 'a'"),
        ("(a:x,b:1);", "has 'x' where the length"),
        ("(a:1,b:1);(c:1,d:1);", "text behind the tree's ';'"),
        ("(a:1,'b:1);", "cannot be read from"),
        ("(a:1);", "fewer than two tips"),
        (3, "text in Newick's notation, not 3"),
    ],
)
def test_what_is_no_tree_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        bg.Phylogeny(text)
