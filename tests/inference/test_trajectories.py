"""Trajectories of a normal: exact whatever the posterior, and chosen only where the posterior is near one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numba import carray, cfunc
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.engine.pointers import DENSITY_SIGNATURE, EXPAND_SIGNATURE
from bayes_glmm.engine.run import CompiledPosterior
from bayes_glmm.errors import ConvergenceWarning, DataWarning
from bayes_glmm.inference.effective_size import effective_size
from bayes_glmm.inference.nuts import is_near_normal, run_nuts
from bayes_glmm.inference.settings import SamplerSettings

PROBABILITIES = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
SETTINGS = SamplerSettings(draws=5000, tune=300, random_seed=5, target_accept=0.8, progressbar=False)
SEEDED = SamplerSettings(random_seed=1)


def _normal(n, z_, gradient_, logp_, user_data_):
    z, gradient, total = carray(z_, (n,)), carray(gradient_, (n,)), 0.0
    for i in range(n):
        gradient[i] = -z[i]
        total -= 0.5 * z[i] ** 2
    carray(logp_, (1,))[0] = total
    return 0


def _log_gamma(n, z_, gradient_, logp_, user_data_):
    z, gradient, total = carray(z_, (n,)), carray(gradient_, (n,)), 0.0
    for i in range(n):
        gradient[i] = 3.0 - np.exp(z[i])
        total += 3.0 * z[i] - np.exp(z[i])
    carray(logp_, (1,))[0] = total
    return 0


def _t(n, z_, gradient_, logp_, user_data_):
    z, gradient, total = carray(z_, (n,)), carray(gradient_, (n,)), 0.0
    for i in range(n):
        gradient[i] = -4.0 * z[i] / (3.0 + z[i] ** 2)
        total -= 2.0 * np.log1p(z[i] ** 2 / 3.0)
    carray(logp_, (1,))[0] = total
    return 0


def _same(n, expanded, z_, x_, user_data_):
    for i in range(n):
        carray(x_, (n,))[i] = carray(z_, (n,))[i]
    return 0


DENSITIES = {"normal": (_normal, stats.norm), "log gamma": (_log_gamma, stats.loggamma(3)), "t": (_t, stats.t(3))}


@pytest.fixture(scope="module")
def posterior():
    expand = cfunc(EXPAND_SIGNATURE)(_same)
    compiled = {name: cfunc(DENSITY_SIGNATURE)(density) for name, (density, _) in DENSITIES.items()}

    def build(name, n, n_theta=0):
        return CompiledPosterior(n, n_theta, compiled[name], expand, np.zeros(1, dtype=np.uint64), ())

    return build


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("n", [1, 2, 5, 40])
@pytest.mark.parametrize("name", DENSITIES)
def test_draws_are_exact(posterior, name, n, steps):
    x = run_nuts(posterior(name, n), SETTINGS, steps).x[..., 0]
    below = (x[None] < DENSITIES[name][1].ppf(PROBABILITIES)[:, None, None]).astype(float)
    sizes = effective_size(below)
    errors = below.mean(axis=(1, 2)) - PROBABILITIES
    assert np.abs(errors / np.sqrt(PROBABILITIES * (1 - PROBABILITIES) / sizes.ess_bulk)).max() < 4


def test_three_gradients_a_draw_in_any_dimension(posterior):
    for n in (5, 1000):
        run = run_nuts(posterior("normal", n), SETTINGS, steps=3)
        assert run.stats["n_steps"].max() <= 3
        assert run.stats["step_size"].max() < 1.1
        assert effective_size(np.moveaxis(run.x[..., :5], 2, 0)).ess_bulk.min() > 8000


def test_one_gradient_a_draw_forgets_where_it_began(posterior):
    run = run_nuts(posterior("normal", 5), SETTINGS, steps=1)
    assert run.stats["n_steps"].max() == 1
    assert effective_size(np.moveaxis(run.x, 2, 0)).ess_tail.min() > 15000


def test_chosen_near_a_normal_and_only_there(posterior):
    for steps in (1, 3):
        assert is_near_normal(posterior("normal", 200, 3), SEEDED, steps)
        assert not is_near_normal(posterior("log gamma", 20, 20), SEEDED, steps)
        assert not is_near_normal(posterior("t", 20, 20), SEEDED, steps)


def test_a_fit_says_which_ran():
    model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    quick = {"progressbar": False, "random_seed": 1}
    assert model.fit(**quick).attrs["trajectories"] == "of a normal"
    # whoever states the acceptance means the usual trajectories, whose length adapts to shorter steps
    assert model.fit(**quick, target_accept=0.9).attrs["trajectories"] == "straight"


def test_chains_that_mix_badly_are_sampled_again():
    """A count a group: phi and the sd can hardly be told apart."""
    data = {"y": np.random.default_rng(0).negative_binomial(1, 0.25, 100), "g": np.arange(100).astype(str)}
    with pytest.warns(DataWarning, match="both say how much rows vary"):
        model = bg.GLMM("y ~ (1 | g)", data, family="negativebinomial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the second run passes or not, by seed
        fit = model.fit(progressbar=False, random_seed=2)
    assert "sampled again" in fit.attrs["second_run"]
    assert fit.attrs["trajectories"] == "straight"
    assert fit.attrs["tune"] == 1000
