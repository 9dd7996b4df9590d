import pytest

from bayes_glmm.errors import FormulaError, GLMMError, PriorError
from bayes_glmm.families import FAMILIES
from bayes_glmm.priors import Prior
from bayes_glmm.spec.model_spec import ModelSpec

TRIALS = "p(incidence, size) ~ period + (1 | herd)"


@pytest.mark.parametrize("family", list(FAMILIES))
def test_json_both_ways_for_every_family_and_link(family):
    text = TRIALS if FAMILIES[family].support == "trials" else "y ~ x*z + offset(log(e)) + (x || g)"
    for link in FAMILIES[family].links:
        priors = {"Intercept": Prior("Normal", mu=1, sigma=2), "sd[herd]": Prior("HalfStudentT", nu=3, sigma=1)}
        spec = ModelSpec.build(text, family, link, priors, center=False, missing="error")
        assert ModelSpec.from_json(spec.to_json()) == spec


def test_defaults():
    spec = ModelSpec.build("y ~ x")
    assert (spec.family.name, spec.link.name, spec.priors, spec.center, spec.missing) == (
        "gaussian",
        "identity",
        (),
        True,
        "drop",
    )


def test_users_priors_are_copied_and_their_keys_normalised():
    priors = {" beta[ x ]": Prior("Normal", mu=0, sigma=1)}
    spec = ModelSpec.build("y ~ x", priors=priors)
    assert spec.priors == (("beta[x]", Prior("Normal", mu=0, sigma=1)),)
    assert list(priors) == [" beta[ x ]"]
    priors["sigma"] = Prior("HalfNormal", sigma=1)
    assert len(spec.priors) == 1


ERRORS = [
    (("y ~ x", "gausian"), {}, GLMMError, "Did you mean 'gaussian'"),
    (("y ~ x", 3), {}, GLMMError, "family must be a name"),
    (("y ~ x", "poisson", "logg"), {}, GLMMError, "Did you mean 'log'"),
    (("y ~ x", "poisson", "logit"), {}, GLMMError, "'poisson' has no link 'logit'"),
    (("y ~ x", "poisson", 3), {}, GLMMError, "link must be a name"),
    ((TRIALS, "bernoulli"), {}, FormulaError, "binomial"),
    (("y ~ x",), {"missing": "ignore"}, GLMMError, "'drop', 'error' or 'predict'"),
    (("y ~ x",), {"center": 1}, GLMMError, "True or False"),
    (("y ~ x",), {"priors": {"beta": "Normal(0, 1"}}, PriorError, "Cannot read the prior"),
    (("y ~ x",), {"priors": [("beta", 1)]}, PriorError, "must be a dict"),
    (("y ~ x",), {"priors": {3: Prior("Normal")}}, PriorError, "must be text"),
    (("y ~ x",), {"priors": {"beta": Prior("Normal"), " beta": Prior("Normal")}}, PriorError, "twice"),
]


@pytest.mark.parametrize(("args", "kwargs", "error", "message"), ERRORS)
def test_errors(args, kwargs, error, message):
    with pytest.raises(error, match=message):
        ModelSpec.build(*args, **kwargs)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 99, "formula": "y~x", "family": 1, "link": 1, "center": 1, "missing": 1, "priors": []}',
    ],
)
def test_text_that_is_no_specification(text):
    with pytest.raises(GLMMError, match="specification"):
        ModelSpec.from_json(text)


def test_a_stored_formula_is_checked_again():
    text = ModelSpec.build("y ~ x").to_json().replace("y ~ x", "y ~ os.system('x')")
    with pytest.raises(FormulaError):
        ModelSpec.from_json(text)
