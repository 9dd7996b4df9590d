"""What people read are the definition's parameters: PyMC's deterministics at the same position."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_glmm.engine.graph import graph_positions
from bayes_glmm.engine.unpack import unpack_draws
from bayes_glmm.priors import Prior

MODELS = {
    "slopes": ("r ~ x + w + (x | g)", "gaussian", {}),
    "three and one": ("c ~ x + (1 + x + w | g) + (1 | h)", "negativebinomial", {}),
    "larger factor second": ("c ~ x + (1 | h) + (x | g)", "poisson", {}),
    "blocks": ("r ~ x + (1 | g) + (0 + x + w | g)", "student", {}),
    "uncorrelated": ("pos ~ x + (x || g)", "gamma", {}),
    "raw intercept": ("c ~ x + (1 | g)", "poisson", {"center": False}),
    "no intercept": ("c ~ 0 + x + (1 | g)", "poisson", {}),
    "other scales": (
        "r ~ x + (x | g)",
        "gaussian",
        {"priors": {"precision[g]": Prior("Gamma", 2, 1), "variance[sigma]": Prior("InverseGamma", 2, 1)}},
    ),
    "bounds": (
        "r ~ x + (1 | g)",
        "student",
        {
            "priors": {
                "precision": Prior("Uniform", 0.1, 5),
                "sigma": Prior("Uniform", 0.1, 4),
                "nu": Prior("Normal", 5, 3),
            }
        },
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_reported_parameters_are_pymcs(models, name):
    from pytensor.compile.mode import Mode

    from bayes_glmm.model.build import build_model

    formula, family, options = MODELS[name]
    model = models.case(formula, family=family, **options)
    centred = build_model(model.spec, model.design, model.priors, parametrization="centered")
    positions = graph_positions(centred, model.packed, model.design, model.priors)
    x = model.packed.start + 0.7 * np.random.default_rng(6).normal(size=(2, 3, len(model.packed.start)))
    reported = unpack_draws(x, model.packed, model.design)
    names = list(reported.data_vars)
    outputs = centred.replace_rvs_by_values([centred[key] for key in names])
    function = centred.compile_fn(outputs, inputs=centred.value_vars, mode=Mode(linker="py", optimizer="fast_run"))
    point_at = models.points_of(centred)
    for chain in range(2):
        for draw in range(3):
            point = point_at(positions.values(x[chain, draw]))
            for key, expected in zip(names, function(point), strict=True):
                ours = reported[key].values[chain, draw]
                assert ours == pytest.approx(expected, rel=1e-10, abs=1e-12), key
    assert reported["beta"].coords["coef"].values.tolist() == list(model.design.coefs)
    for term in model.design.groups:
        assert reported[f"b_{term.name}"].coords[term.dim].values.tolist() == list(term.levels)


@pytest.mark.parametrize("name", MODELS)
def test_the_linear_predictor_is_the_engines(models, name):
    """X beta + Z b from what is reported changes the likelihood as the engine's positions do."""
    formula, family, options = MODELS[name]
    model = models.case(formula, family=family, **options)
    x = np.tile(model.packed.start, (1, 2, 1))
    x[0, 1, : model.n_v] += 0.3 * np.random.default_rng(2).normal(size=model.n_v)
    reported = unpack_draws(x, model.packed, model.design)
    record, response = model.spec.family, model.design.response
    total = []
    for draw in range(2):
        eta = model.design.X @ reported["beta"].values[0, draw] + model.design.offset
        for term in model.design.groups:
            eta = eta + np.sum(term.Z * reported[f"b_{term.name}"].values[0, draw][term.codes], axis=1)
        parameters = {row.name: reported[row.name].values[0, draw] for row in record.parameters}
        mu = model.spec.link.inverse(eta)
        total.append(record.log_density(response.y, mu, parameters, response.trials).sum())
    likelihood = []
    data = model.packed.data
    blank = data._replace(counts=np.zeros_like(data.counts), y=np.ones_like(data.y))
    if record.kernel == "poisson":
        blank = blank._replace(y=np.zeros_like(data.y))
    for draw in range(2):
        value = model.density(x[0, draw])[0]
        quiet = models.Case(model.spec, model.design, model.priors, models.with_data(model.packed, blank))
        likelihood.append(value - quiet.density(x[0, draw])[0])
    assert likelihood[1] - likelihood[0] == pytest.approx(total[1] - total[0], rel=1e-9, abs=1e-9)
