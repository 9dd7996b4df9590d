"""Effects that differ from step to step between ordered categories, ``cs()``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

import bayes_glmm as bg
from bayes_glmm.engine.unpack import unpack_draws
from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS
from bayes_glmm.predict.expected import expected
from bayes_glmm.spec.formula import parse_formula
from tests.engine import models
from tests.families.data import inhaler
from tests.families.table import plain
from tests.families.test_fits import assert_equal_densities
from tests.families.test_steps import grades


def rows(count=90):
    steps = pd.Categorical(np.resize(["a", "b", "c"], count), ordered=True)
    return grades(count).assign(z=np.random.default_rng(1).normal(size=count), k=steps)


def test_what_cs_is():
    formula = parse_formula("y ~ x + cs(z + I(w == 1)) + (1 | g)")
    assert (formula.fixed, formula.by_step) == ("1 + x", "1 + z + I(w == 1)")
    assert formula.predictors == ("x", "z", "w")
    spline = parse_formula("y ~ cs(x, df=4)")
    assert (spline.fixed, spline.by_step) == ("1 + cs(x, df=4)", "")
    model = bg.GLMM("o ~ z + cs(x) + (1 | g)", rows(), family="sratio")
    assert model.design.coefs == ("z", "cs1_x", "cs2_x", "cs3_x")
    again = type(model.spec).from_json(model.spec.to_json()).of_categories(model.design.response.categories)
    assert again == model.spec
    assert r"\eta_{3,\,i} &= \beta_{3}\,\mathrm{x}_i" in model.equation()


@pytest.mark.parametrize(
    ("formula", "family", "message"),
    [
        ("o ~ cs(x)", "cumulative", "could make probabilities negative. Use 'sratio', 'cratio' or 'acat'"),
        ("z ~ cs(x)", "gaussian", r"cs\(x\): effects by category are for the families 'sratio'.*cs\(x, df=4\)"),
        ("o ~ x + cs(x)", "sratio", r"x stands inside cs\(\) and outside of it"),
        ("o ~ z - cs(x)", "sratio", r"cs\(\) cannot be subtracted"),
        ("o ~ cs(x + (1 | g))", "sratio", "no offsets, group terms or smooths"),
        ("o ~ cs(mo(k))", "sratio", r"mo\(x\) is not available in the formula of cs1"),
        ("g ~ mo(k)", "categorical", r"mo\(x\) is not available in the formula of mug1"),
    ],
)
def test_what_is_refused(formula, family, message):
    with pytest.raises(bg.errors.FormulaError, match=message):
        bg.GLMM(formula, rows(), family=family)


@pytest.mark.parametrize("name", ["sratio", "cratio", "acat"])
def test_rows_are_the_record_with_its_derivatives(name):
    from bayes_glmm.engine.compose import TRIALS, each_kernel_of

    rng, n, size = np.random.default_rng(0), 6, 3
    eta, own, tau = rng.normal(size=n), rng.normal(size=(size, n)), np.repeat(rng.normal(size=(size, 1)), n, axis=1)
    y, counts = rng.integers(0, size + 1, n).astype(float), rng.integers(1, 4, n).astype(float)

    def exact(eta, own):
        parameters = {f"cs{k}": values for k, values in enumerate(own, start=1)} | {"thresholds": tau[:, 0]}
        p = FAMILIES[name].probabilities(eta, LINKS["logit"], parameters)
        return counts * np.log(p[np.arange(n), y.astype(int)])

    values, d, pulls = np.empty(n), np.empty(n), np.empty((2 * size, n))
    packed = y + (size + 1) * TRIALS
    plain(each_kernel_of(name, "logit"))(n, eta, packed, counts, np.vstack([own, tau]), values, d, pulls)
    np.testing.assert_allclose(values, exact(eta, own), rtol=1e-12)
    step = 1e-6
    np.testing.assert_allclose(d, (exact(eta + step, own) - exact(eta - step, own)) / (2 * step), atol=1e-8)
    for k in range(size):
        move = step * (np.arange(size) == k)[:, None]
        np.testing.assert_allclose(pulls[k], (exact(eta, own + move) - exact(eta, own - move)) / (2 * step), atol=1e-8)
    np.testing.assert_array_equal(pulls[size:], -pulls[:size])


@pytest.mark.parametrize("name", ["sratio", *(pytest.param(one, marks=pytest.mark.slow) for one in ("cratio", "acat"))])
def test_density_and_gradient_are_pymcs(name):
    assert_equal_densities(models.case("weighted(o, w) ~ z + cs(x) + (1 | g)", rows(), family=name))


def test_inhaler_by_steps_is_the_maximum_of_the_likelihood():
    """Figures: R's glm of every step that a rating reached, go ~ 0 + step + period + carry + step:treat."""
    wide = {"beta": "Normal(0, 1e5)", "thresholds": "Normal(0, 1e5)"}
    wide |= {f"beta_cs{k}": "Normal(0, 1e5)" for k in (1, 2, 3)}
    case = models.case("rating ~ period + carry + cs(treat)", inhaler(), family="sratio", priors=wide)

    def downhill(x):
        value, gradient = case.density(x)
        return -value, -gradient

    found = optimize.minimize(downhill, case.packed.start, jac=True, method="BFGS", options={"gtol": 1e-7})
    mode = unpack_draws(found.x[None, None], case.packed, case.design)
    beta = [0.217793918, -0.216665585, -0.771452092, -0.985608649, 1.133090707]
    np.testing.assert_allclose(mode["beta"].to_numpy().ravel(), beta, atol=2e-6)
    thresholds = [0.550021442, 2.327287239, 0.458212561]
    np.testing.assert_allclose(mode["thresholds"].to_numpy().ravel(), thresholds, atol=2e-6)


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
def test_a_fit_and_what_reads_it(tmp_path):
    model = bg.GLMM("o ~ z + cs(x) + (1 | g)", rows(120), family="sratio")
    fit = model.fit(draws=150, chains=2, random_seed=1, progressbar=False)
    assert fit.attrs["backend"] == "kernel"
    posterior, data = fit.posterior.stack(s=("chain", "draw")).transpose("s", ...), model.design.frame
    beta, tau = posterior["beta"].to_numpy(), posterior["thresholds"].to_numpy()
    fixed = beta[:, :1] * data["z"].to_numpy()
    apart = tau[:, None, :] - fixed[..., None] - beta[:, None, 1:] * data["x"].to_numpy()[:, None]

    def probabilities(moved):
        stop = special.expit(apart - moved)
        going = np.cumprod(1 - stop, axis=-1)
        ones = np.ones_like(going[..., :1])
        return np.concatenate([ones, going], axis=-1) * np.concatenate([stop, ones], axis=-1)

    def ours(meaning):
        array = expected(fit, random_effects=meaning).stack(s=("chain", "draw"))
        return array.transpose("s", ...).to_numpy()

    np.testing.assert_allclose(ours("typical"), probabilities(0.0), rtol=1e-9)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    sd = posterior["sd_g"].to_numpy()[:, :, None]
    brute = sum(w * probabilities(sd * z) for z, w in zip(nodes, weights / weights.sum(), strict=True))
    np.testing.assert_allclose(ours("marginal"), brute, atol=1e-6)
    assert bg.avg_comparisons(fit, "x")["estimate"].sum() == pytest.approx(0.0, abs=1e-12)
    assert set(bg.marginal_coefficients(fit).index) >= {"cs2_x", "z"}
    assert np.isfinite(bg.loo(fit).elpd)
    assert bg.check_residuals(bg.simulate_residuals(fit, random_seed=1))["p_value"].min() > 1e-3
    assert bg.prior_sensitivity(fit)["prior"].notna().all()
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    assert again.model.spec == fit.model.spec and again.posterior.equals(fit.posterior)
