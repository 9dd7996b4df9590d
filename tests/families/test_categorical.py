"""Categories without an order: published answers, PyMC's density, and the binary model that two categories are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

import bayes_glmm as bg
from bayes_glmm.engine.laplace import laplace_fit
from bayes_glmm.engine.pack import pack
from bayes_glmm.engine.unpack import unpack_draws
from bayes_glmm.families import FAMILIES
from bayes_glmm.families.choices import family_of_categories
from bayes_glmm.links import LINKS
from bayes_glmm.predict.expected import expected
from tests.engine import models
from tests.families.data import alligators
from tests.families.table import plain
from tests.families.test_fits import assert_equal_densities

LABELS = ("A", "B", "C", "D")
FAMILY = family_of_categories(FAMILIES["categorical"], LABELS)
ETAS = np.array([[0.3, -1.2, 0.0, 40.0, -700.0], [-0.4, 2.0, 0.1, 1.0, -710.0], [1.1, 0.2, -3.0, 39.0, 2.0]])


def parameters(etas=ETAS):
    return dict(zip(("muB", "muC", "muD"), etas, strict=True))


def choices(rows=200, levels=10, seed=4):
    """Rows of three categories, x and a factor with effects on two of them."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=rows), "g": np.resize([f"g{i}" for i in range(levels)], rows)})
    u = 0.8 * rng.standard_normal((levels, 2))[np.resize(np.arange(levels), rows)]
    etas = np.column_stack([np.zeros(rows), 0.3 + 0.5 * data["x"] + u[:, 0], -0.4 - 0.8 * data["x"] + u[:, 1]])
    drawn = FAMILIES["categorical"].simulate(rng, special.softmax(etas, axis=1), {}, None).astype(int)
    return data.assign(y=np.array(["A", "B", "C"])[drawn], w=rng.integers(1, 4, rows))


# the record ----------------------------------------------------------------------------------------------------------


def test_probabilities_are_the_softmax_and_their_way_back():
    p = FAMILY.probabilities(np.zeros(5), LINKS["logit"], parameters())
    exact = special.softmax(np.vstack([np.zeros(5), ETAS]), axis=0).T
    np.testing.assert_allclose(p, exact, rtol=1e-12)
    np.testing.assert_allclose(FAMILY.threshold_predictors(p, LINKS["logit"])[:4], ETAS.T[:4], rtol=1e-9, atol=1e-12)
    y = np.array([0.0, 1.0, 3.0, 3.0, 1.0])
    logs = special.log_softmax(np.vstack([np.zeros(5), ETAS]), axis=0)[y.astype(int), np.arange(5)]
    np.testing.assert_allclose(FAMILY.log_density(y, p, {}, None), logs, rtol=1e-9)
    np.testing.assert_allclose(FAMILY.cdf(y, p, {}, None), np.cumsum(exact, axis=1)[np.arange(5), y.astype(int)])


def test_draws_by_the_record_and_by_pymc_have_the_probabilities():
    import pymc as pm

    p = FAMILY.probabilities(np.zeros(3), LINKS["logit"], parameters(ETAS[:, :3]))
    law, arguments = FAMILY.graph(np.zeros(3), LINKS["logit"], parameters(ETAS[:, :3]), None)
    by_pymc = pm.draw(law.dist(**arguments), draws=4000, random_seed=1)
    ours = FAMILY.simulate(np.random.default_rng(1), np.broadcast_to(p, (4000, *p.shape)), {}, None)
    for drawn in (ours, by_pymc):
        shares = np.stack([(drawn == c).mean(axis=0) for c in range(4)], axis=-1)
        assert np.abs(shares - p).max() < 4.5 * 0.5 / np.sqrt(4000)


def test_rows_are_the_record_with_its_derivatives():
    from bayes_glmm.engine.compose import TRIALS, softmax_rows

    y, counts = np.array([0.0, 1.0, 3.0, 3.0, 1.0]), np.array([1.0, 2.0, 0.5, 1.5, 3.0])
    values, d, pull = np.empty(5), np.full(5, np.nan), np.full((3, 5), np.nan)
    total = plain(softmax_rows)(5, np.zeros(5), y + 4 * TRIALS, counts, ETAS, values, d, pull)
    logs = special.log_softmax(np.vstack([np.zeros(5), ETAS]), axis=0)
    np.testing.assert_allclose(values, counts * logs[y.astype(int), np.arange(5)], rtol=1e-13)
    assert total == pytest.approx(values.sum(), rel=1e-13)
    exact = counts * ((np.arange(4)[:, None] == y) - np.exp(logs))[1:]
    np.testing.assert_allclose(pull, exact, rtol=1e-12, atol=1e-15)
    assert not d.any()


# models --------------------------------------------------------------------------------------------------------------


def test_density_and_gradient_are_pymcs():
    assert_equal_densities(models.case("weighted(y, w) ~ x + (x | g)", choices(90), family="categorical"))


FOODS = ("invertebrate", "reptile", "bird", "other")
MULTINOM = [
    [-1.5490186, -1.65835859, 0.9372193118, 1.1219848, 1.45820461],
    [-3.3145327, 1.24277662, 2.4588719616, 2.9352533, -0.35126284],
    [-2.0930768, 0.69511756, -0.6532078061, 1.0877668, -0.63065974],
    [-1.9042716, 0.82619623, 0.0056530625, 1.5163687, 0.33155025],
]


def test_alligators_are_multinoms():
    """Figures: nnet 7.3-18, multinom(food ~ lake + size, weights = count), as printed by Agresti (2002), table 7.2."""
    priors = {"beta": "Flat()", "Intercept": "Flat()"}
    model = bg.GLMM("weighted(food, count) ~ lake + size", alligators(), family="categorical", priors=priors)
    assert model.design.coefs[:2] == ("muinvertebrate_Intercept", "muinvertebrate_lake[Hancock]")
    packed = pack(model.spec, model.design, model.prior_table)
    mode = unpack_draws(laplace_fit(packed).x[None, None], packed, model.design)["beta"]
    np.testing.assert_allclose(mode.to_numpy().reshape(4, 5), MULTINOM, atol=2e-6)


def test_two_categories_are_a_binary_response():
    data = choices(90).assign(b=lambda frame: (frame["y"] == "B").astype(int))
    data["label"] = np.where(data["b"] == 1, "yes", "no")
    binary = models.case("b ~ x + (x | g)", data, family="bernoulli")
    two = models.case("label ~ x + (x | g)", data, family="categorical")
    assert two.design.coefs == ("muyes_Intercept", "muyes_x")
    for theirs, ours in zip(binary.priors, two.priors, strict=True):
        assert str(theirs.prior) == str(ours.prior)
    x = binary.packed.start + 0.2 * np.random.default_rng(1).standard_normal(len(binary.packed.start))
    (one, slope), (other, own) = binary.density(x), two.density(x)
    np.testing.assert_allclose(two.packed.start, binary.packed.start, rtol=1e-12)
    assert one == pytest.approx(other, rel=1e-12)
    np.testing.assert_allclose(own, slope, rtol=1e-9, atol=1e-9)


def test_a_row_keeps_all_of_its_information():
    """That of a softmax has no negative eigenvalue, so that nothing beside its diagonal is shrunk."""
    from bayes_glmm.engine.channels import _factorize_row

    p = special.softmax([0.0, 0.4, -1.0, 1.3, 0.1])[1:]
    exact = np.zeros((5, 5))
    exact[1:, 1:] = np.diag(p) - np.outer(p, p)
    factors, factorize = exact.copy(), plain(_factorize_row)
    factorize(factors, np.empty(5))
    lower = np.tril(factors, -1) + np.eye(5)
    np.testing.assert_allclose(lower @ np.diag(np.diag(factors)) @ lower.T, exact, atol=1e-15)
    indefinite = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    factorize(indefinite, np.empty(3))
    assert np.all(np.diag(indefinite) >= 0.0) and indefinite[0, 0] == 1.0


# data ----------------------------------------------------------------------------------------------------------------


def design_of(data, formula="y ~ x + (1 | g)", **options):
    return bg.GLMM(formula, data, family="categorical", **options).design


def test_effects_on_several_categories_are_correlated_unless_stated():
    data = choices(60)
    assert design_of(data, "y ~ x + (x | g)").group("g").blocks == ((0, 1, 2, 3),)
    assert design_of(data, "y ~ x + (1 || g)").group("g").blocks == ((0,), (1,))
    assert design_of(data, "y ~ x + (1 | g) + (0 + x | g)").group("g").blocks == ((0, 1), (2, 3))
    assert design_of(data, "y ~ x + (1 | p | g) + (0 + x | p | g)").group("g").blocks == ((0, 1, 2, 3),)


def test_a_category_may_have_a_formula_of_its_own():
    design = design_of(choices(60), "y ~ x", dpar_formulas={"muC": "~ 1 + (1 | g)"})
    assert design.coefs == ("muB_Intercept", "muB_x", "muC_Intercept")
    assert design.group("g").coefs == ("muC_Intercept",)
    again = type(design.spec).from_json(design.spec.to_json())
    assert again.formula.stated == {"muC": "~ 1 + (1 | g)"}


def test_priors_of_all_categories_and_of_one():
    stated = {
        "beta": "Normal(0, 1)", "beta[x]": "Normal(0, 2)", "beta_muC": "Normal(0, 3)", "Intercept": "Normal(0, 4)",
        "muC_Intercept": "Normal(0, 5)", "sd": "HalfNormal(1)", "sd[g]": "HalfNormal(2)", "sd_muC[g]": "HalfNormal(3)",
    }  # fmt: skip
    model = bg.GLMM("y ~ x + w + (1 | g)", choices(60), family="categorical", priors=stated)
    found = dict(zip(model.priors["parameter"], model.priors["prior"], strict=True))
    widths = {name: prior.rpartition("=")[2].rstrip(")") for name, prior in found.items()}
    assert widths == {
        "muB_Intercept": "4", "beta[muB_x]": "2", "beta[muB_w]": "1", "muC_Intercept": "5", "beta[muC_x]": "2",
        "beta[muC_w]": "3", "sd[g][muB_Intercept]": "2", "sd[g][muC_Intercept]": "3", "corr[g]": "1",
    }  # fmt: skip
    with pytest.raises(bg.errors.PriorError, match="names 'beta_muD', which is no parameter"):
        bg.GLMM("y ~ x", choices(60), family="categorical", priors={"beta_muD": "Normal(0, 1)"})


def test_which_columns_have_categories():
    data = choices(60)
    digits = np.resize(["10", "9", "2"], 60)
    assert design_of(data.assign(y=digits)).response.categories == ("2", "9", "10")
    assert design_of(data.assign(y=np.resize([3, 1, 7], 60))).coefs[2] == "mu7_Intercept"
    named = data["y"].map({"A": "not at all", "B": "self-employed", "C": "50 % + x"})
    assert "muself-employed_Intercept" in design_of(data.assign(y=named)).coefs
    assert design_of(data.assign(y=data["y"] == "A"), "factor(y) ~ x").response.categories == ("0", "1")
    chosen = pd.Categorical(data["y"], ["C", "B", "A"])
    assert design_of(data.assign(y=chosen)).response.categories == ("C", "B", "A")
    with pytest.warns(bg.errors.DataWarning, match="the order of the response 'y' is not used|The order of"):
        design_of(data.assign(y=pd.Categorical(data["y"], ordered=True)))
    with pytest.warns(bg.errors.DataWarning, match="No row of the response 'y' has 'D'"):
        assert len(design_of(data.assign(y=pd.Categorical(data["y"], list("ABCD")))).response.categories) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dpar_formulas": {"B": "~ x"}}, "are called 'mu' and the category, 'muB' for category B, not 'B'"),
        ({"dpar_formulas": {"muE": "~ x"}}, "no linear predictor 'muE'. .*The first category is the reference"),
        ({"dpar_formulas": "~ x"}, "must be a dictionary"),
        ({"link": {"muB": "probit"}}, "linear predictors of categories are their log odds"),
        ({"link": "probit"}, "has no link 'probit'"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(bg.errors.GLMMError, match=message):
        bg.GLMM("y ~ x", choices(60), family="categorical", **change)


def test_responses_that_are_refused():
    data = choices(60)
    with pytest.raises(bg.errors.DataError, match="one category only, 'A'"):
        design_of(data.assign(y="A"))
    with pytest.raises(bg.errors.DataError, match="must be whole: family 'categorical' takes text, a category"):
        design_of(data.assign(y=data["x"]))
    with pytest.raises(bg.errors.GLMMError, match="a row for each single response"):
        bg.GLMM("y ~ x", data, family="multinomial")


def test_separation_of_categories():
    from bayes_glmm.checks.separation import separated_coefficients

    data = choices(60).assign(f=lambda frame: np.where((frame["y"] == "B") & (np.arange(60) % 3 == 0), "only B", "any"))
    assert "muB_f[only B]" in separated_coefficients(design_of(data, "y ~ f + x"), "unordered")
    assert separated_coefficients(design_of(choices(60)), "unordered") == ()
    flat = {"beta": "Flat()"}
    with pytest.raises(bg.errors.PriorError, match=r"to which the data set no limit \(separation\)"):
        bg.GLMM("y ~ f + x", data, family="categorical", priors=flat)


# fits ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit():
    return bg.GLMM("y ~ x + (1 | g)", choices(120), family="categorical").fit(
        draws=200, chains=2, random_seed=1, progressbar=False
    )


# few draws: whether the chains mixed is another test's question
quiet = pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")


@quiet
def test_probabilities_under_every_meaning(fit):
    posterior = fit.posterior.stack(s=("chain", "draw")).transpose("s", ...)
    data, beta, b = fit.model.design.frame, posterior["beta"].to_numpy(), posterior["b_g"].to_numpy()
    fixed = np.stack([beta[:, c : c + 1] + beta[:, c + 1 : c + 2] * data["x"].to_numpy() for c in (0, 2)], axis=-1)

    def probabilities(moved):
        return special.softmax(np.concatenate([np.zeros((*moved.shape[:-1], 1)), moved], axis=-1), axis=-1)

    def ours(**options):
        return stacked(expected(fit, **options))

    codes = fit.model.design.group("g").codes
    np.testing.assert_allclose(ours(), probabilities(fixed + b[:, codes]), rtol=1e-9)
    np.testing.assert_allclose(ours(random_effects="typical"), probabilities(fixed), rtol=1e-9)
    sd, corr = posterior["sd_g"].to_numpy(), posterior["corr_g"].to_numpy()
    root = np.linalg.cholesky(sd[:, :, None] * corr * sd[:, None, :])
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    some, brute = slice(0, 25), 0.0
    for z, w in zip(nodes, weights / weights.sum(), strict=True):
        for other, v in zip(nodes, weights / weights.sum(), strict=True):
            moved = fixed[some] + (root[some] @ np.array([z, other]))[:, None, :]
            brute = brute + w * v * probabilities(moved)
    np.testing.assert_allclose(ours(random_effects="marginal")[some], brute, atol=1e-6)
    new = ours(random_effects="new", random_seed=1).mean(axis=0)
    assert np.abs(new - ours(random_effects="marginal").mean(axis=0)).max() < 0.1
    np.testing.assert_allclose(ours(scale="muC"), fixed[..., 1] + b[:, codes, 1])


def stacked(array):
    return array.stack(s=("chain", "draw")).transpose("s", ...).to_numpy()


@quiet
def test_draws_have_the_probabilities_and_the_log_likelihood_is_theirs(fit):
    drawn = bg.posterior_predictive(fit, random_seed=1)["posterior_predictive"]
    assert drawn.attrs["categories"] == ["A", "B", "C"]
    codes = drawn["y"].to_numpy().reshape(400, -1)
    p = stacked(expected(fit))
    for c in range(3):
        difference = (codes == c).mean(axis=1) - p[..., c].mean(axis=1)
        assert abs(difference.mean()) < 4.5 * difference.std() / 20
    y = fit.model.design.response.y.astype(int)
    ours = bg.log_likelihood(fit)["log_likelihood"]["y"].to_numpy().reshape(400, -1)
    np.testing.assert_allclose(ours, np.log(p[:, np.arange(120), y]), rtol=1e-9)


@quiet
def test_effects_and_checks_read_it(fit, tmp_path):
    table = bg.avg_comparisons(fit, "x")
    assert table["category"].tolist() == ["A", "B", "C"] and abs(table["estimate"].sum()) < 1e-12
    assert bg.avg_slopes(fit, "x", random_effects="marginal")["estimate"].iloc[2] < 0
    assert set(bg.marginal_coefficients(fit).index) == set(fit.model.design.coefs)
    assert np.isfinite(bg.loo(fit).elpd)
    for category in (None, "B"):
        residuals = bg.simulate_residuals(fit, category=category, random_seed=1)
        assert bg.check_residuals(residuals)["p_value"].min() > 1e-3
    assert set(np.unique(residuals["observed"])) == {0.0, 1.0}
    assert bg.predictive_check(fit, "B", random_seed=1)["stat"].tolist() == ["share of B"]
    assert "muB_x" in str(fit.summary(exponentiate=True))
    lines = fit.model.equation()
    assert r"\eta_{\mathrm{A},\,i} &= 0" in lines and r"\eta_{\mathrm{C},\,i} &= \beta_{2}" in lines
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    assert again.model.spec == fit.model.spec and again.posterior.equals(fit.posterior)


@quiet
@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda fit: bg.predictions(fit, scale="link"), r"Name one of them \('muB', 'muC'\)"),
        (lambda fit: bg.simulate_residuals(fit, category="D"), "there is no category 'D'"),
        (lambda fit: bg.predictive_check(fit), "stat='mean': categories without an order have shares only"),
        (lambda fit: bg.icc(fit), "no accepted definition"),
        (lambda fit: bg.loo(fit, unit="g"), "effects on several parameters are not integrated out"),
    ],
)
def test_what_fits_refuse(fit, ask, message):
    with pytest.raises(bg.errors.GLMMError, match=message):
        ask(fit)


@quiet
@pytest.mark.slow
def test_updates_and_reports(fit, tmp_path):
    smaller = fit.update("~ . - x", draws=100, chains=2, random_seed=1, progressbar=False)
    assert smaller.model.design.coefs == ("muB_Intercept", "muC_Intercept")
    page = fit.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "share of B" in page and "muC_x" in page


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("sd", [0.5, 1.0])
def test_averages_over_effects_of_several_categories(size, sd):
    from scipy.stats import qmc

    from bayes_glmm.predict.choices import averaged_choices

    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size))
    root *= sd / np.sqrt(np.square(root).sum(axis=1, keepdims=True))
    mu, covariance = rng.normal(size=size), root @ root.T
    z = special.ndtri(np.clip(qmc.Sobol(size, rng=rng).random(2**17), 1e-12, 1 - 1e-12))
    exact = special.softmax(np.column_stack([np.zeros(len(z)), mu + z @ root.T]), axis=1).mean(axis=0)
    cells = [[np.full((1, 1), one) for one in row] for row in covariance]
    ours = averaged_choices([np.full((1, 1), one) for one in mu], cells)[0, 0]
    assert ours.sum() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(ours, exact, atol=1e-5 if size < 4 else 1e-3)
