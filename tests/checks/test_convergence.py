"""The verdict on convergence: what passes, what fails, and that it says so in words."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from bayes_glmm.checks.convergence import diagnose, shown_r_hat


def fake_fit(posterior, *, stats=None, method="nuts", interrupted=False, groups=()):
    """Build what `diagnose` reads of a fit, from arrays that start with chain and draw."""
    variables = {
        name: xr.DataArray(
            values,
            dims=("chain", "draw", *(f"{name}_{i}" for i in range(values.ndim - 2))),
            coords={f"{name}_{i}": [f"{i}{k}" for k in range(n)] for i, n in enumerate(values.shape[2:])},
        )
        for name, values in posterior.items()
    }
    dataset = xr.Dataset(variables)
    shape = (dataset.sizes["chain"], dataset.sizes["draw"])
    healthy = {"diverging": np.zeros(shape, bool), "maxdepth_reached": np.zeros(shape, bool), "energy": noise(shape)}
    chosen = {**healthy, **(stats or {})}
    sample_stats = xr.Dataset({key: (("chain", "draw"), value) for key, value in chosen.items() if value is not None})
    return SimpleNamespace(
        posterior=dataset,
        dt=xr.DataTree.from_dict({"posterior": dataset, "sample_stats": sample_stats}),
        model=SimpleNamespace(design=SimpleNamespace(groups=groups)),
        attrs={"method": method},
        approximate=method != "nuts",
        interrupted=interrupted,
    )


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


GOOD = {"beta": noise((4, 500, 2)), "sigma": np.abs(noise((4, 500), 1))}


def drifting(chains=4, draws=500):
    return np.cumsum(noise((chains, draws, 1)), axis=1)


def slow_energy():
    return np.cumsum(noise((4, 500)), axis=1)


@pytest.mark.parametrize(
    ("posterior", "stats", "words"),
    [
        (GOOD | {"beta": GOOD["beta"] + np.arange(4)[:, None, None]}, {}, "R-hat is 1.01 or more for 2 of 3"),
        (GOOD | {"b": drifting()}, {}, "b[00]"),
        (
            GOOD | {"b": np.repeat(noise((4, 50, 1)), 10, axis=1)},
            {},
            "Fewer than 400 effective draws (bulk) for 1 of 4",
        ),
        (GOOD | {"b": np.full((4, 500, 1), 0.5)}, {}, "did not move in some chain, or are not numbers: b[00]"),
        (GOOD | {"b": np.where(np.arange(500)[:, None] == 9, np.nan, noise((4, 500, 1)))}, {}, "not numbers"),
        (GOOD, {"diverging": np.arange(2000).reshape(4, 500) == 7}, "1 transition diverged"),
        (GOOD, {"diverging": None}, "Divergences were not checked"),
        (GOOD, {"maxdepth_reached": np.arange(2000).reshape(4, 500) < 2}, "2 trajectories were cut"),
        (GOOD, {"maxdepth_reached": None, "reached_max_treedepth": np.ones((4, 500), bool)}, "2000 trajectories"),
        (GOOD, {"energy": slow_energy()}, "E-BFMI is below 0.3 in 4 of 4 chains"),
        ({"beta": GOOD["beta"][:1]}, {}, "with one chain nothing tells whether chains agree"),
        ({"beta": GOOD["beta"][:, :3]}, {}, "3 draws per chain are too few"),
        ({"beta": noise((4, 60, 1), 2)}, {}, "At this rate 200 draws"),
    ],
)
def test_each_trouble_fails_and_is_named(posterior, stats, words):
    verdict = diagnose(fake_fit(posterior, stats=stats))
    assert not verdict.passed
    assert words in verdict.verdict
    assert verdict.verdict.startswith("Do not rely on these draws yet")


def test_good_draws_pass_and_the_verdict_counts_parameters():
    verdict = diagnose(fake_fit(GOOD))
    assert verdict.passed and not verdict.problems and not verdict.advice
    assert "all 3 parameters (4 chains of 500 draws" in verdict.verdict
    assert verdict.divergences == verdict.max_depth_hits == 0
    assert set(verdict.dataset.data_vars) == {"beta", "sigma", "e_bfmi"}
    assert verdict.dataset["sigma"].sel(statistic="r_hat").item() < 1.01


def test_a_single_bad_scalar_among_thousands_fails():
    draws = noise((4, 500, 3000))
    draws[..., 1234] += np.arange(4)[:, None]
    verdict = diagnose(fake_fit({"b": draws}))
    assert not verdict.passed and "b[01234]" in verdict.verdict


def test_correlations_count_once_and_structural_values_are_left_out():
    r = np.tanh(noise((4, 500)) / 4)
    corr = np.zeros((4, 500, 3, 3)) + np.eye(3)
    corr[..., 0, 1] = corr[..., 1, 0] = r
    term = SimpleNamespace(name="g", coefs=("Intercept", "x", "z"), blocks=((0, 1), (2,)))
    verdict = diagnose(fake_fit({"corr_g": corr}, groups=(term,)))
    assert verdict.passed and "all 1 parameters" in verdict.verdict
    r_hat = verdict.dataset["corr_g"].sel(statistic="r_hat").values
    assert np.isfinite(r_hat[0, 1]) and r_hat[0, 1] == r_hat[1, 0]
    assert np.isnan(r_hat[[0, 1, 2, 0, 2], [0, 1, 2, 2, 1]]).all()
    # a correlation that should move and does not is a fault, not a structural constant
    corr[..., 0, 1] = corr[..., 1, 0] = 0.5
    assert not diagnose(fake_fit({"corr_g": corr}, groups=(term,))).passed


@pytest.mark.parametrize(
    ("had", "advice"),
    [
        (None, "fit(target_accept=0.95)"),
        (0.7, "fit(target_accept=0.95)"),
        (0.95, "fit(target_accept=0.99, tune=2000)"),
        (0.99, "fit(target_accept=0.998, tune=2000)"),
        (0.998, "State narrower priors"),
    ],
)
def test_divergences_ask_for_smaller_steps_than_this_run_had(had, advice):
    fit = fake_fit(GOOD, stats={"diverging": np.arange(2000).reshape(4, 500) == 7})
    if had is not None:
        fit.attrs["target_accept"] = had
    assert advice in "".join(diagnose(fit).advice)


def test_interrupted_runs_say_how_many_draws():
    verdict = diagnose(fake_fit(GOOD, interrupted=True))
    assert not verdict.passed and "interrupted: 500 draws per chain" in verdict.verdict


def test_approximations_claim_nothing():
    verdict = diagnose(fake_fit(GOOD, method="laplace"))
    assert not verdict.passed
    assert "Approximate (laplace)" in verdict.verdict and "R-hat" not in verdict.verdict
    assert np.isnan(verdict.dataset["beta"].values).all()


def test_the_advised_number_of_draws_is_enough():
    slow = np.repeat(noise((4, 60, 1), 2), 10, axis=1)
    text = diagnose(fake_fit({"b": slow})).verdict
    wanted = int(text.split("fit(draws=")[1].split(")")[0])
    longer = np.repeat(noise((4, wanted // 10, 1), 3), 10, axis=1)
    assert "Fewer than 400" not in diagnose(fake_fit({"b": longer})).verdict


def test_html_is_escaped():
    draws = xr.DataArray(noise((4, 60, 1)), dims=("chain", "draw", "k"), coords={"k": ["<script>"]})
    fit = fake_fit({"beta": GOOD["beta"][:, :60]})
    fit.posterior["beta"] = draws
    html = diagnose(fit)._repr_html_()
    assert "&lt;script&gt;" in html and "<script>" not in html


def test_a_real_fit_passes_and_every_scalar_was_checked(sleepstudy_fit):
    verdict = sleepstudy_fit.diagnose()
    assert verdict.passed, verdict.verdict
    # 2 coefficients, 2 sds, 1 correlation, sigma, 2 x 18 effects
    assert "all 42 parameters" in verdict.verdict
    assert set(verdict.dataset["b_Subject"].dims) == {"statistic", "Subject", "Subject_coef"}
    assert verdict.dataset["b_Subject"].notnull().all()


@pytest.mark.parametrize(
    ("value", "shown"), [(1.0031, "1.003"), (1.00996, "1.00996"), (1.0098, "1.0098"), (1.02, "1.020")]
)
def test_an_r_hat_below_the_limit_is_not_shown_as_the_limit(value, shown):
    assert shown_r_hat(value) == shown
