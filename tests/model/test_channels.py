"""PyMC's graph of formulas of several parameters, against densities written out by hand; their default priors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pytensor.compile.mode import Mode
from scipy import special, stats

import bayes_glmm as bg
from bayes_glmm.errors import PriorError

#: Evaluated node by node: a C compiler takes longer than all else.
INTERPRETED = Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace")


def log_normal_density(point, model, data):
    """Reaction ~ Days + (Days | p | Subject), log sigma ~ Days + (1 | p | Subject), centred effects, by hand."""
    table = model.prior_table
    beta = table.location + table.basis @ point["beta_centered"]
    sd, factor, b = np.exp(point["sd_log"]), point["factor"], point["b"]
    days, subject = data["Days"].to_numpy(float), model.design.groups[0].codes
    basis = table.groups[0][1].basis
    effects = b @ basis.T
    mean = beta[0] + beta[1] * days + effects[subject, 0] + effects[subject, 1] * days
    sigma = np.exp(beta[2] + beta[3] * days + effects[subject, 2])
    total = stats.norm.logpdf(data["Reaction"], mean, sigma).sum()
    covariance = np.diag(sd) @ factor @ factor.T @ np.diag(sd)
    total += stats.multivariate_normal(np.zeros(3), covariance).logpdf(b).sum()
    for value, row in zip(point["beta_centered"], table.beta, strict=True):
        total += stats.norm.logpdf(value, *row.prior.values)
    for value, row in zip(sd, table.groups[0][1].sd, strict=True):
        total += np.log(2.0) + stats.t.logpdf(value, row.prior["nu"], scale=row.prior["sigma"]) + np.log(value)
    return total


@pytest.mark.slow
def test_a_distributional_gaussian_model_has_the_density_written_out():
    data = bg.load_dataset("sleepstudy")
    model = bg.GLMM(
        "Reaction ~ Days + (Days | p | Subject)", data, dpar_formulas={"sigma": "~ Days + (1 | p | Subject)"}
    )
    graph = model.to_pymc("centered")
    names = {graph.values_to_rvs[value].name: value.name for value in graph.value_vars}
    start, rng = graph.initial_point(), np.random.default_rng(4)
    logp = graph.compile_fn(graph.logp(jacobian=True), mode=INTERPRETED)
    differences = []
    for _ in range(3):
        at = {
            "beta_centered": start[names["beta_centered"]] + 0.1 * rng.normal(size=4),
            "sd_log": np.log([20.0, 5.0, 0.4]) + 0.1 * rng.normal(size=3),
            "b": rng.normal(size=(18, 3)) * [20.0, 5.0, 0.4],
            "factor": np.eye(3),  # correlations of zero, where the LKJ and its transform are constants
        }
        point = {
            **start,
            names["beta_centered"]: at["beta_centered"],
            names["sd_Subject_centered"]: at["sd_log"],
            names["b_Subject_centered"]: at["b"],
            names["corr_Subject_cholesky_0"]: np.zeros(3),
        }
        differences.append(float(logp(point)) - log_normal_density(at, model, data))
    np.testing.assert_allclose(differences, differences[0], atol=1e-8)


def test_a_zero_inflated_model_has_the_density_written_out():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(2.0, 40) * rng.integers(0, 2, 40), "x": rng.normal(size=40)})
    model = bg.GLMM("y ~ x", data, family="zero_inflated_poisson", dpar_formulas={"zi": "~ x"}, center=False)
    graph, (a, b, c, d) = model.to_pymc(), (0.3, 0.2, -0.4, 0.9)
    density = graph.compile_fn(graph.logp(), mode=INTERPRETED)
    value = float(density({**graph.initial_point(), "beta": np.array([a, b, c, d])}))
    mu, zi = np.exp(a + b * data["x"]), special.expit(c + d * data["x"])
    likelihood = np.log(zi * (data["y"] == 0) + (1 - zi) * stats.poisson.pmf(data["y"], mu)).sum()
    prior = sum(
        stats.norm.logpdf(value, *row.prior.values)
        for value, row in zip((a, b, c, d), model.prior_table.beta, strict=True)
    )
    assert value == pytest.approx(likelihood + prior, rel=1e-10)


def test_default_priors_are_on_each_parameters_own_scale():
    data = bg.load_dataset("sleepstudy").assign(late=lambda d: (d["Days"] > 5).astype(int))
    table = bg.GLMM("Reaction ~ Days", data, dpar_formulas={"sigma": "~ Days + late + (Days | Subject)"}).prior_table
    rows = {row.parameter: row for row in table}
    # centred at the median of the constant's default, HalfStudentT(3, sd(y)), and 2.5 wide on the log scale
    spread = data["Reaction"].std()
    assert rows["sigma_Intercept"].prior["mu"] == pytest.approx(np.log(spread * special.stdtrit(3, 0.75)))
    assert rows["sigma_Intercept"].prior["sigma"] == pytest.approx(2.5)
    assert rows["sd[Subject][sigma_Intercept]"].prior["sigma"] == pytest.approx(1.0)
    assert rows["sd[Subject][sigma_Days]"].prior["sigma"] == pytest.approx(1.0 / data["Days"].std(), rel=1e-6)
    assert rows["beta[Days]"].prior["sigma"] == pytest.approx(2.5 * spread / data["Days"].std(), rel=1e-6)
    frame = bg.GLMM("Reaction ~ Days", data, dpar_formulas={"sigma": "~ Days"}).priors
    assert frame.set_index("parameter").loc["sigma_Intercept", "scale"].startswith("log sigma")


def test_priors_do_not_depend_on_the_unit_of_the_response_nor_on_an_origin():
    data = bg.load_dataset("sleepstudy")
    seconds = data.assign(Reaction=data["Reaction"] / 1000, Days=data["Days"] + 2000)
    one, other = (
        bg.GLMM("Reaction ~ Days", rows, dpar_formulas={"sigma": "~ Days"}).prior_table for rows in (data, seconds)
    )
    for first, second in zip(one.beta[2:], other.beta[2:], strict=True):
        assert second.prior["sigma"] == pytest.approx(first.prior["sigma"])
    assert one.beta[2].prior["mu"] - other.beta[2].prior["mu"] == pytest.approx(np.log(1000))


KEYS = {
    "sigma_Intercept": ["sigma_Intercept"],
    "beta": ["beta[Days]"],
    "beta_sigma": ["beta[sigma_Days]"],
    "beta[sigma_Days]": ["beta[sigma_Days]"],
    "beta_sigma[Days]": ["beta[sigma_Days]"],
    "sd": ["sd[Subject][Intercept]"],
    "sd_sigma": ["sd[Subject][sigma_Intercept]"],
    "sd[Subject]": ["sd[Subject][Intercept]"],
    "sd_sigma[Subject]": ["sd[Subject][sigma_Intercept]"],
    "sd[Subject][sigma_Intercept]": ["sd[Subject][sigma_Intercept]"],
    "sd_sigma[Subject][Intercept]": ["sd[Subject][sigma_Intercept]"],
}


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_priors_reach_one_parameters_coefficients(key):
    data, sds = bg.load_dataset("sleepstudy"), key.startswith("sd")
    prior = bg.Prior("HalfNormal", 0.1) if sds else bg.Prior("Normal", 0, 0.1)
    formulas = {"sigma": "~ Days + (1 | Subject)"}
    model = bg.GLMM("Reaction ~ Days + (1 | Subject)", data, dpar_formulas=formulas, priors={key: prior})
    assert [row.parameter for row in model.prior_table if row.source == "user"] == KEYS[key]


def test_unknown_keys_list_the_classes():
    with pytest.raises(PriorError, match="beta_sigma"):
        bg.GLMM(
            "Reaction ~ Days", bg.load_dataset("sleepstudy"), dpar_formulas={"sigma": "~ Days"},
            priors={"beta_sigm": "Normal(0, 1)"},
        )  # fmt: skip
