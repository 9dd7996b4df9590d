"""PyMC's graphs against the densities and the engine's rows: values and gradients of the sum."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_glmm.families import FAMILIES
from bayes_glmm.links import LINKS
from tests.families.table import ORACLES, plain_row, predictors

DEFAULTS = [(name, FAMILIES[name].links[0]) for name in ORACLES]
OTHERS = [(name, link) for name in ORACLES for link in FAMILIES[name].links[1:]]


def assert_graph_is_density(name, link):
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt

    family, oracle = FAMILIES[name], ORACLES[name]
    x, values = pt.dvector("eta"), pt.dvector("values")
    parameters = {row.name: values[i] for i, row in enumerate(family.parameters)}
    law, arguments = family.graph(x, LINKS[link], parameters, oracle.trials)
    pointwise = pm.logp(law.dist(**arguments), oracle.y)
    slopes = pt.grad(pointwise.sum(), [x, values], disconnected_inputs="ignore")
    function = pytensor.function([x, values], [pointwise, *slopes], mode="FAST_COMPILE", on_unused_input="ignore")
    eta, row = predictors(link, family.support), plain_row(family.kernel, link)
    trials = np.ones_like(eta) if oracle.trials is None else oracle.trials
    for setting in oracle.parameters:
        density, by_eta, by_values = function(eta, np.array(list(setting.values()), dtype=float))
        exact = family.log_density(oracle.y, LINKS[link].inverse(eta), setting, oracle.trials)
        np.testing.assert_allclose(density, exact, rtol=1e-9, atol=1e-9)
        three = [*setting.values(), 0.0, 0.0, 0.0][:3]
        rows = np.array([row(*one, *three) for one in zip(eta, oracle.y, trials, strict=True)])
        np.testing.assert_allclose(by_eta, rows[:, 1], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(by_values, rows[:, 2 : 2 + len(setting)].sum(axis=0), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("name", "link"), DEFAULTS)
def test_graph_under_the_default_link(name, link):
    assert_graph_is_density(name, link)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "link"), OTHERS)
def test_graph_under_the_other_links(name, link):
    assert_graph_is_density(name, link)
