"""Copies and products in compiled code: numpy's."""

import numpy as np
import pytest

from bayes_glmm.engine.vectors import copy, dot, product, transposed_product


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (40, 17), (0, 4), (4, 0)])
def test_products_are_numpys(rows, columns):
    rng = np.random.default_rng(1)
    matrix, right, left = rng.normal(size=(rows, columns)), rng.normal(size=columns), rng.normal(size=rows)
    out = np.full(rows, np.nan)
    product(matrix, right, out)
    np.testing.assert_allclose(out, matrix @ right, rtol=1e-13, atol=1e-13)
    out = np.full(columns, np.nan)
    transposed_product(matrix, left, out)
    np.testing.assert_allclose(out, matrix.T @ left, rtol=1e-13, atol=1e-13)
    assert dot(left, left) == pytest.approx(left @ left)
    copied = np.full(2 * columns, np.nan)
    copy(right, copied[::2])  # of any layout
    np.testing.assert_array_equal(copied[::2], right)
    assert np.isnan(copied[1::2]).all()
