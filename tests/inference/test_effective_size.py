"""Our R-hat and effective sample sizes are ArviZ's, many scalars at once."""

import numpy as np
import pytest
from arviz_stats.base import array_stats

from bayes_glmm.inference.effective_size import effective_size


def autoregression(rng, shape, r):
    draws = rng.normal(size=shape)
    for t in range(1, shape[2]):
        draws[..., t] += r * draws[..., t - 1]
    return draws


def arviz(draws):
    one = draws[None]
    axes = {"chain_axis": 1, "draw_axis": 2}
    r_hat = array_stats.rhat(one, **axes)[0] if draws.shape[0] > 1 else np.nan
    tail = array_stats.ess(one, **axes, method="tail", prob=(0.05, 0.95))[0]
    return r_hat, array_stats.ess(one, **axes, method="bulk")[0], tail


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("r", [-0.9, -0.5, 0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("length", [4, 5, 6, 7, 8, 9, 11, 50, 51, 400, 1001])
@pytest.mark.parametrize("chains", [1, 2, 4])
def test_equals_arviz(chains, length, r):
    draws = autoregression(np.random.default_rng(length * 10 + chains), (5, chains, length), r)
    draws[1] = np.round(draws[1])  # many ties
    draws[2] = draws[2] > 0  # two values
    draws[3] += 3 * np.arange(chains)[:, None]  # chains that disagree
    draws[4, :, length // 3 :] = draws[4, :, length // 3 : length // 3 + 1]  # chains that stop moving
    ours = effective_size(draws)
    theirs = np.array([arviz(one) for one in draws])
    np.testing.assert_allclose(np.stack([ours.r_hat, ours.ess_bulk, ours.ess_tail], 1), theirs, rtol=1e-10)


def test_constants_missing_values_and_short_chains():
    draws = np.random.default_rng(1).normal(size=(3, 4, 100))
    draws[1] = 2.5
    draws[2, 1, 7] = np.nan
    ours = effective_size(draws)
    assert np.isfinite(ours.r_hat[0]) and np.isnan(ours.r_hat[1:]).all()
    assert ours.ess_bulk[1] == ours.ess_tail[1] == 400
    assert np.isnan([ours.ess_bulk[2], ours.ess_tail[2]]).all()
    short = effective_size(draws[:, :, :3])
    assert np.isnan([short.r_hat, short.ess_bulk, short.ess_tail]).all()


def test_blocks_of_scalars_do_not_matter():
    draws = np.random.default_rng(2).normal(size=(700, 4, 300))
    whole = effective_size(draws)
    parts = [effective_size(draws[i : i + 1]) for i in (0, 208, 209, 699)]
    for name in ("r_hat", "ess_bulk", "ess_tail"):
        np.testing.assert_array_equal(getattr(whole, name)[[0, 208, 209, 699]], [getattr(p, name)[0] for p in parts])
