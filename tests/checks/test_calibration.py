"""Calibration of a user's model: uniform where all is right, planted mistakes found, troubles counted."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import matplotlib.pyplot as plt
import numba
import numpy as np
import pandas as pd
import pytest
from numba import types
from scipy import stats

import bayes_glmm as bg
from bayes_glmm.checks.calibration import RANKED
from bayes_glmm.checks.uniform_ranks import rank_band, rank_p_value
from bayes_glmm.errors import PredictionError, SamplingError

FORMULA = "p(incidence, size) ~ period + (1 | herd)"
SHORT = {"draws": 200, "tune": 100, "target_accept": 0.8}
PRIORS = {"Intercept": bg.Prior("Normal", -1, 1), "beta": bg.Prior("Normal", 0, 1), "sd": bg.Prior("HalfNormal", 1)}
QUIET = {"random_seed": 7, "progressbar": False}


def model_of(cbpp, **priors) -> bg.GLMM:
    return bg.GLMM(FORMULA, cbpp, family="binomial", priors=PRIORS | priors)


@pytest.fixture(scope="module")
def right(cbpp):
    return bg.sbc(
        model_of(cbpp), 60, quantities={"most": lambda draws, y: draws["beta"].max("coef") + 0 * y.max()}, **QUIET
    )


# the test of uniform ranks --------------------------------------------------------------------------------------------


def test_uniform_ranks_are_rejected_at_the_level():
    rng = np.random.default_rng(1)
    p = np.array([rank_p_value(rng.integers(0, 100, 80), 99) for _ in range(400)])
    assert stats.binom.cdf((p < 0.05).sum(), 400, 0.05) > 0.005 and stats.binom.sf((p < 0.05).sum(), 400, 0.05) > 0.005
    lower, upper = rank_band(80, 99)
    inside = 0
    for _ in range(400):
        share = (rng.integers(0, 100, 80)[:, None] < np.arange(1, 100)).mean(axis=0)
        inside += bool(((lower <= share) & (share <= upper)).all())
    assert inside / 400 == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("shape", [(2, 2), (0.5, 0.5), (1.6, 1), (1, 1.6)])
def test_other_ranks_are_found(shape):
    ranks = np.floor(np.random.default_rng(2).beta(*shape, 150) * 100).astype(int)
    assert rank_p_value(ranks, 99) < 0.01


# models ---------------------------------------------------------------------------------------------------------------


def test_the_right_model_passes(right):
    assert right.passed and str(right).startswith("Calibrated: 8 quantities in 60 simulated data sets.")
    assert not right.failures and not right.degenerate and right.unconverged == 0
    expected = [
        "beta[Intercept]",
        "beta[period[2]]",
        "sd_herd[Intercept]",
        "b_herd[1, Intercept]",
        "log likelihood",
        "most",
    ]
    assert set(expected) < set(right.table.index)
    assert right.ranks["rank"].dims == ("simulation", "quantity")
    assert right.ranks["rank"].min() >= 0 and right.ranks["rank"].max() <= RANKED
    # the truths are the prior's
    truth = right.ranks["truth"].sel(quantity="sd_herd[Intercept]").to_numpy()
    assert stats.kstest(truth, stats.halfnorm.cdf).pvalue > 0.001
    assert "Ranks are uniform" in right._repr_html_()


def test_a_wrong_prior_scale_in_the_fit_is_found(cbpp):
    wrong = model_of(cbpp, sd=bg.Prior("HalfNormal", 0.25))
    result = bg.sbc(model_of(cbpp), 60, fitted=wrong, **QUIET)
    assert not result.passed and result.table.loc["sd_herd[Intercept]", "adjusted"] < 0.001
    assert "sd_herd[Intercept]: The posterior lies below the truth too often" in result.verdict


def test_a_likelihood_that_counts_twice_is_found(cbpp, monkeypatch):
    from bayes_glmm.checks import calibration

    def twice(model, y):
        once = bg_with_response(model, y)
        response = replace(once.design.response, weights=np.full(len(y), 2.0))
        return replace(once, design=replace(once.design, response=response))

    bg_with_response = calibration.with_response
    monkeypatch.setattr(calibration, "with_response", twice)
    result = bg.sbc(model_of(cbpp), 60, **QUIET)
    assert not result.passed
    assert "too narrow" in result.table["verdict"].str.cat()


@pytest.mark.slow
def test_a_sign_error_in_a_derivative_is_found(cbpp, monkeypatch):
    """The kernel's derivative for the log sd has its sign turned, as by a slip in the engine; NUTS then gets stuck."""
    from bayes_glmm.checks import calibration
    from bayes_glmm.inference import kernel

    real, kept, settings = kernel.kernel_posterior, [], calibration.SamplerSettings

    def planted(*arguments, **options):
        posterior = real(*arguments, **options)
        pointers = [ctypes.POINTER(ctypes.c_double)] * 3
        inner = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *pointers, ctypes.c_void_p)(posterior.density.address)

        @numba.cfunc(types.int64(types.uint64, *[types.CPointer(types.double)] * 3, types.voidptr))
        def turned(n, x, gradient, value, data):
            code = inner(n, x, gradient, value, data)
            gradient[n - 1] = -gradient[n - 1]
            return code

        kept.append(turned)
        return replace(posterior, density=turned)

    # short runs: every trajectory goes to the greatest depth
    monkeypatch.setattr(calibration, "SamplerSettings", lambda *given: replace(settings(*given), **SHORT))
    assert bg.sbc(model_of(cbpp), 10, **QUIET).unconverged <= 2
    monkeypatch.setattr(kernel, "kernel_posterior", planted)
    result = bg.sbc(model_of(cbpp), 10, **QUIET)
    assert kept and not result.passed and "did not converge" in result.verdict
    assert result.unconverged + len(result.failures) > 5


def test_other_families_pass_and_the_same_seed_gives_the_same_ranks(sleepstudy):
    priors = {
        "Intercept": bg.Prior("Normal", 300, 50), "beta": bg.Prior("Normal", 10, 10), "sd": bg.Prior("HalfNormal", 20),
        "sigma": bg.Prior("HalfNormal", 30),
    }  # fmt: skip
    model = bg.GLMM("Reaction ~ Days + (Days | Subject)", sleepstudy, priors=priors)
    result, again = (bg.sbc(model, 30, **QUIET) for _ in range(2))
    assert result.passed
    assert "corr_Subject[Days, Intercept]" in result.table.index
    np.testing.assert_array_equal(result.ranks["rank"], again.ranks["rank"])


def test_degenerate_data_are_counted_and_left_out():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 5), "x": rng.normal(size=30), "y": rng.poisson(3, 30)})
    priors = {"Intercept": bg.Prior("Normal", 20, 25)}
    result = bg.sbc(bg.GLMM("y ~ x + (1 | g)", data, family="poisson", priors=priors), 60, **QUIET)
    counted = sum(result.degenerate.values())
    assert counted + len(result.failures) + result.ranks.sizes["simulation"] == 60
    assert counted >= 5 and "too large for a computer" in result.verdict
    assert result.constant > 3 and f"In {result.constant} data sets all responses are the same" in result.verdict


def test_priors_that_make_no_data_at_all_are_refused():
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 5), "y": np.arange(30)})
    too_large = {"Intercept": bg.Prior("Normal", 60, 1)}
    with pytest.raises(SamplingError, match="No draw of the prior gave data.*too large for a computer.*Narrow"):
        bg.sbc(bg.GLMM("y ~ 1 + (1 | g)", data, family="poisson", priors=too_large), 10, **QUIET)
    infinite = {"Intercept": bg.Prior("Normal", 800, 1)}
    with pytest.raises(SamplingError, match="responses that are not finite"):
        bg.sbc(bg.GLMM("y ~ 1 + (1 | g)", data.assign(y=data["y"] + 1.0), family="gamma", priors=infinite), 10, **QUIET)


def test_fits_that_did_not_converge_are_told(right):
    assert "- 3 fits did not converge (R-hat above 1.05)" in replace(right, unconverged=3).verdict


def test_failed_fits_are_counted_and_the_others_stay(cbpp, monkeypatch):
    from bayes_glmm.checks import calibration

    real = calibration._rank_one

    def broken(task):
        if task.truth["draw"].item() % 10 == 3:
            raise SamplingError("planted")
        return real(task)

    monkeypatch.setattr(calibration, "_rank_one", broken)
    result = bg.sbc(model_of(cbpp), 20, **QUIET)
    assert len(result.failures) == 2 and result.ranks.sizes["simulation"] == 18 and not result.passed
    assert "2 fits failed: SamplingError: planted" in result.verdict


def test_nonsense_is_refused_in_words(cbpp, sleepstudy):
    with pytest.raises(PredictionError, match="fewer than 10"):
        bg.sbc(model_of(cbpp), 5)
    with pytest.raises(SamplingError, match=r"flat prior of beta\[period\[2\]\]"):
        bg.sbc(model_of(cbpp, beta=bg.Prior("Flat")), 10, **QUIET)
    weighted = bg.GLMM("weighted(Reaction, Days) ~ 1 + (1 | Subject)", sleepstudy[sleepstudy["Days"] > 0])
    with pytest.raises(PredictionError, match="weights cannot be drawn"):
        bg.sbc(weighted, 10)
    with pytest.raises(PredictionError, match="different rows"):
        bg.sbc(model_of(cbpp), 10, fitted=model_of(cbpp.iloc[:50]))
    with pytest.raises(SamplingError, match="one number a draw"):
        bg.sbc(model_of(cbpp), 10, quantities={"all": lambda draws, y: draws["beta"]}, **QUIET)


def test_figure_has_a_panel_for_each_quantity(right):
    figure = bg.plots.calibration(right)
    titles = [ax.get_title() for ax in figure.axes if ax.get_visible()]
    assert len(titles) == 8 and titles[0].startswith("beta[Intercept]\np = ")
    one = bg.plots.calibration(right, ["log likelihood"])
    line = one.axes[0].lines[-1].get_ydata()
    band = one.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() < line.min() <= 0 <= line.max() < band.max()
    with pytest.raises(bg.errors.GLMMError, match="log likelihood"):
        bg.plots.calibration(right, ["log_likelihood"])
    plt.close("all")
