"""One design for several responses: whose columns are whose, levels of all, rows that lack a response."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.design.multivariate import build_multivariate_design
from bayes_glmm.errors import DataError, DataWarning, FormulaError
from bayes_glmm.spec.multivariate import MultivariateSpec


@pytest.fixture
def data():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"y": rng.normal(size=12), "n": rng.poisson(3, 12) * 1.0, "x": rng.normal(size=12)})
    return frame.assign(g=list("aabbccddeeff"), h=list("uuvvuuvvuuvv"))


def build(formulas, data, **options):
    return build_multivariate_design(MultivariateSpec.build(formulas, **options), data)


def test_blocks_join_what_shares_an_id_and_nothing_else(data):
    design = build(["y ~ x + (1 + x |p| g) + (1 | h)", "n ~ 1 + (1 |p| g) + (0 + x | g) + (1 | h)"], data)
    g, h = design.groups
    assert g.coefs == ("y_Intercept", "y_x", "n_Intercept", "n_x")
    assert g.blocks == ((0, 1, 2), (3,))
    assert h.blocks == ((0,), (1,))
    assert g.channels == (0, 0, 1, 1)
    assert design.intercepts == [0, 2]


def test_coefficients_of_one_id_stand_together(data):
    design = build(["y ~ (1 |p| g) + (0 + x |q| g)", "n ~ (1 |p| g) + (0 + x |q| g)"], data)
    assert design.groups[0].coefs == ("y_Intercept", "n_Intercept", "y_x", "n_x")
    assert design.groups[0].blocks == ((0, 1), (2, 3))
    assert design.coefs_of(0, 0) == [0, 2]
    assert design.coefs_of(1, 0) == [1, 3]


def test_rows_without_a_response_count_for_the_other(data):
    data.loc[[0, 1, 5], "y"] = np.nan
    data.loc[[5, 7], "n"] = np.nan
    with pytest.warns(DataWarning, match=r"3 of 12 rows are left out for y.*2 of 12 rows are left out for n"):
        design = build(["y ~ x + (1 |p| g)", "n ~ 1 + (1 |p| g)"], data)
    assert design.size == 11
    assert [part.size for part in design.parts] == [9, 10]
    assert (design.X[0] == [0, 0, 1]).all()
    # level a has no y: the merged term has it, that of y has not
    assert design.groups[0].levels == tuple("abcdef")
    assert design.parts[0].groups[0].levels == tuple("bcdef")
    assert design.levels_of(0, 0).tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(DataError, match="and missing='error'"):
        build(["y ~ x", "n ~ 1"], data, missing="error")


def test_the_order_of_a_crossing_does_not_matter(data):
    design = build(["y ~ (1 |p| g:h)", "n ~ (1 |p| h:g)"], data)
    (term,) = design.groups
    assert term.name == "g:h"
    own = design.parts[1].groups[0]
    place = design.levels_of(1, 0)
    assert [":".join(reversed(level.split(":"))) for level in own.levels] == [term.levels[i] for i in place]


def test_errors_name_the_response(data):
    with pytest.raises(DataError, match="n: "):
        build(["y ~ x", "n ~ 1"], data.assign(n="text"))
    with pytest.raises(DataError, match="Two coefficients would be called 'y_x_z'"):
        build(["y ~ x_z", "y_x ~ z"], data.assign(x_z=data["x"], z=data["x"], y_x=data["y"] * 2))
    with pytest.raises(FormulaError, match="y: monotonic effects are not available among several responses"):
        build(["y ~ mo(k)", "n ~ 1"], data.assign(k=pd.Categorical(list("abcabcabcabc"), ordered=True)))
    with pytest.raises(DataError, match="n: a model needs two rows"):
        build(["y ~ x", "n ~ 1"], data.assign(n=np.nan))
