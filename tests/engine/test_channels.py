"""Formulas of further parameters on the kernel: PyMC's density and gradient, rows beside the family's record."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_glmm.design.design import build_design
from bayes_glmm.engine.information import coupling_pattern, new_information
from bayes_glmm.engine.laplace import information_at
from bayes_glmm.families import FAMILIES
from bayes_glmm.inference.samplers import choose_sampler
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.spec.model_spec import ModelSpec
from tests.engine.test_density import compare

#: Family -> response of `rows`, and the formulas of its parameters.
CASES = {
    "gaussian": ("r", {"sigma": "~ x + (1 + w | p | g)"}),
    "student": ("r", {"sigma": "~ z + (1 | p | g)", "nu": "~ x"}),
    "skewnormal": ("r", {"sigma": "~ x", "alpha": "~ z + (1 | h)"}),
    "exgaussian": ("r", {"sigma": "~ x", "tau": "~ 0 + g"}),
    "betabinomial": ("p(s, n)", {"phi": "~ x + (1 | h)"}),
    "negativebinomial": ("c", {"phi": "~ x + offset(0.1 * w) + (1 | p | g)"}),
    "negativebinomial1": ("c", {"phi": "~ x"}),
    "generalizedpoisson": ("c", {"phi": "~ x"}),
    "gamma": ("pos", {"phi": "~ x + (x || h)"}),
    "lognormal": ("pos", {"sigma": "~ x + (1 | h)"}),
    "weibull": ("pos", {"shape": "~ x"}),
    "inversegaussian": ("pos", {"shape": "~ x + (1 | g)"}),
    "tweedie": ("amount", {"phi": "~ x + (1 | g)"}),
    "vonmises": ("angle", {"kappa": "~ x + (1 | g)"}),
    "beta": ("u", {"phi": "~ x + (1 | g)"}),
    "ordbeta": ("closed", {"phi": "~ x", "cutzero": "~ z", "width": "~ w"}),
    "zero_one_inflated_beta": ("closed", {"phi": "~ x", "zoi": "~ z + (1 | p | g)", "coi": "~ w"}),
    "zero_inflated_poisson": ("c", {"zi": "~ x + (1 | p | g)"}),
    "zero_inflated_negativebinomial": ("c", {"phi": "~ w", "zi": "~ x + (1 | h)"}),
    "zero_inflated_negativebinomial1": ("c", {"zi": "~ x"}),
    "zero_inflated_binomial": ("p(s, n)", {"zi": "~ x"}),
    "zero_inflated_betabinomial": ("p(s, n)", {"phi": "~ w", "zi": "~ x + (1 | h)"}),
    "hurdle_poisson": ("c", {"hu": "~ x + (1 | g)"}),
    "hurdle_negativebinomial": ("c", {"phi": "~ w", "hu": "~ x"}),
    "hurdle_negativebinomial1": ("c", {"hu": "~ x"}),
    "hurdle_gamma": ("amount", {"phi": "~ w", "hu": "~ x + (1 | p | g)"}),
    "hurdle_lognormal": ("amount", {"sigma": "~ w", "hu": "~ x"}),
    "zero_inflated_beta": ("share", {"phi": "~ w", "zi": "~ x"}),
}
#: What the fast run compiles; the others are `slow`, for each has a kernel of its own.
FAST = {"gaussian", "zero_inflated_negativebinomial"}


def rows(models):
    data = models.frame(rows=80)
    rng = np.random.default_rng(8)
    zero, one = rng.random(len(data)) < 0.25, rng.random(len(data)) < 0.15
    data["amount"] = np.where(zero, 0.0, data["pos"])
    data["share"] = np.where(zero, 0.0, data["u"])
    data["closed"] = np.where(one, 1.0, data["share"])
    data["angle"] = 2 * np.arctan(data["r"] - 3)
    return data


def build(models, family, link=None, **options):
    response, formulas = CASES[family]
    group = "(1 | p | g)" if "| p |" in str(formulas) else "(1 | g)"
    options = {"family": family, "link": link, "dpar_formulas": formulas} | options
    return models.case(f"{response} ~ x + {group}", rows(models), **options)


def test_every_family_with_parameters_is_here():
    assert CASES.keys() == {name for name, one in FAMILIES.items() if any(row.links for row in one.parameters)}


@pytest.mark.parametrize(
    "family", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_density_and_gradient_are_those_of_the_graph(models, family):
    compare(models, build(models, family), "log" if family != "beta" else "logit", rounds=3)


@pytest.mark.slow
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit", "loglog"])
def test_every_link_of_a_probability(models, link):
    compare(models, build(models, "zero_inflated_poisson", {"zi": link}), "log", rounds=3)


@pytest.mark.slow
def test_other_links_and_weights_of_both_kinds(models):
    compare(models, build(models, "gaussian", {"sigma": "softplus"}), "identity", rounds=3)
    for response in ("weighted(r, wt)", "precision(r, wt)"):
        formula = f"{response} ~ x + (1 | g)"
        compare(models, models.case(formula, rows(models), dpar_formulas={"sigma": "~ z + (1 | h)"}), "log", rounds=3)


def test_the_information_is_what_second_derivatives_say_less_what_has_the_wrong_sign(models):
    """Of a gaussian, mu and log sigma: 1 / sigma^2 and 2 r^2 on the diagonal, and no eigenvalue below zero."""
    model = models.case("r ~ 1", rows(models), dpar_formulas={"sigma": "~ 1"})
    pattern = coupling_pattern(model.packed.data)
    x = model.packed.start + np.array([0.1, -0.2])
    information = information_at(model.packed.data, pattern, x)[0].rest
    sigma = np.exp(x[1])
    standardised = (model.packed.data.y - x[0]) / sigma
    assert information[0, 0] == pytest.approx(len(standardised) / sigma**2, rel=1e-6)
    assert information[1, 1] == pytest.approx(2.0 * np.sum(standardised**2), rel=1e-6)
    # 2 r / sigma beside 1 / sigma^2 and 2 r^2 is shrunk to the root of their product
    assert information[1, 0] == pytest.approx(np.sqrt(2.0) * np.sum(standardised) / sigma, rel=1e-5)


def test_rows_without_information_about_a_parameter_leave_the_rest_whole(models):
    """Counts above zero say nothing of each other's phi where the mean is zero: no NaN comes of it."""
    data = rows(models).assign(c=lambda d: (d["x"] > 2).astype(int))
    model = models.case("c ~ x + (1 | g)", data, family="zero_inflated_negativebinomial", dpar_formulas={"zi": "~ x"})
    pattern = coupling_pattern(model.packed.data)
    empty = new_information(model.packed.data, pattern)
    found = information_at(model.packed.data, pattern, model.packed.start)[0]
    for part, zero in zip(found, empty, strict=True):
        assert part.shape == zero.shape
        assert np.isfinite(part).all()


@pytest.mark.parametrize("family", ["gaussian", "zero_inflated_poisson", "beta"])
def test_the_default_sampler_is_the_kernel(models, family):
    response, formulas = CASES[family]
    spec = ModelSpec.build(f"{response} ~ x", family=family, dpar_formulas={next(iter(formulas)): "~ x + (1 | g)"})
    design = build_design(spec, rows(models))
    assert choose_sampler("auto", spec, design, resolve_priors(spec, design)) == (
        "kernel",
        "the kernel covers the model",
    )


def test_families_without_such_rows_go_through_the_graph_in_its_own_coordinates(models):
    spec = ModelSpec.build("precision(pos, wt) ~ x", family="gamma", dpar_formulas={"phi": "~ x"})
    design = build_design(spec, rows(models))
    name, reason = choose_sampler("auto", spec, design, resolve_priors(spec, design))
    assert name == "nutpie"
    assert "formulas of phi" in reason
