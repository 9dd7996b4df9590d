"""Meta-analysis: metafor's figures at its own estimates, identities between quantities, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.effects.heterogeneity import typical_variance
from bayes_glmm.errors import DataError, DataWarning, FormulaError, PredictionError

BCG = "se(yi, sei) ~ 1 + (1 | study)"
THREE = "se(yi, sei) ~ 1 + (1 | district / school)"
#: metafor 3.8-1, REML: data, formula, tau^2 of each factor and I^2 of all (percent).
METAFOR = [
    ("bcg", BCG, (0.3132433,), 92.22139),
    ("bcg", "se(yi, sei) ~ ablat + (1 | study)", (0.07635469,), 68.39313),
    ("konstantopoulos2011", THREE, (0.0650619443, 0.0327365170), 95.18731),
]


def fit_of(formula, data, **options):
    return bg.GLMM(formula, bg.load_dataset(data), **options).fit(random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def bcg():
    return fit_of(BCG, "bcg")


@pytest.fixture(scope="module")
def three():
    return fit_of(THREE, "konstantopoulos2011")


@pytest.mark.parametrize(("data", "formula", "taus", "share"), METAFOR)
def test_shares_are_metafors_at_its_estimates(data, formula, taus, share):
    model = bg.GLMM(formula, bg.load_dataset(data))
    fit = type("Unfitted", (), {"model": model})  # the typical variance is one of the data
    assert 100 * sum(taus) / (sum(taus) + typical_variance(fit)) == pytest.approx(share, rel=1e-5)


def test_quantities_of_one_draw_agree(three):
    draws = bg.heterogeneity(three, draws="dataarray")
    names = zip(draws.quantity.values, draws.group.values, strict=True)
    of = {name: draws.values[..., i] for i, name in enumerate(names)}
    groups = ["district", "district:school"]
    for group in [*groups, "(all)"]:
        np.testing.assert_allclose(of["tau", group] ** 2, of["tau^2", group])
    np.testing.assert_allclose(of["tau", "district"], three.posterior["sd_district"].values[..., 0])
    for quantity in ("tau^2", "I^2"):
        np.testing.assert_allclose(sum(of[quantity, group] for group in groups), of[quantity, "(all)"])
    np.testing.assert_allclose(of["H^2", "(all)"], 1 / (1 - of["I^2", "(all)"]))


def test_studies_as_observed_and_as_estimated(bcg):
    table, data = bg.studies(bcg, ci_prob=0.95), bg.load_dataset("bcg")
    trials, average, new = (table[table["kind"] == kind] for kind in ("study", "average", "new study"))
    assert trials["study"].tolist() == data["study"].tolist()
    np.testing.assert_allclose(trials["observed_upper"], data["yi"] + 1.959964 * data["sei"], rtol=1e-6)
    # between what was observed and the average
    between = (trials["estimate"] - trials["observed"]) * (average["estimate"].item() - trials["observed"])
    assert (between > 0).all()
    effects = bcg.posterior["beta"].values[..., 0, None] + bcg.posterior["b_study"].values[..., 0]
    np.testing.assert_allclose(trials["estimate"], effects.mean(axis=(0, 1)), rtol=1e-10)
    # metafor's intervals, -1.07 to -0.36 and -1.87 to 0.44, know nothing of the uncertainty of tau
    assert average[["lower", "upper"]].values.ravel() == pytest.approx([-1.09, -0.33], abs=0.05)
    assert new[["lower", "upper"]].values.ravel() == pytest.approx([-2.07, 0.65], abs=0.15)


def test_a_residual_beside_known_errors_counts_as_heterogeneity():
    fit = fit_of("se(yi, sei, sigma=True) ~ ablat", "bcg")
    table = bg.heterogeneity(fit).set_index("quantity")
    assert set(table["group"]) == {"(residual)"}
    assert table.loc["tau", "estimate"] == pytest.approx(float(fit.posterior["sigma"].mean()))
    assert set(bg.studies(fit)["kind"]) == {"study"}  # each has an average of its own


def test_leaving_a_study_out_is_a_refit_without_it(bcg):
    held = bg.kfold(bcg, group="study", random_seed=1)
    assert held.elpd == pytest.approx(-14.3, abs=0.4)


def test_the_average_without_a_trial_is_an_update(bcg):
    rows = bg.load_dataset("bcg")
    without = bcg.update(data=rows[rows["study"] != "TPT Madras 1980"], random_seed=1)
    assert len(without.model.design.frame) == 12
    assert without.posterior["beta"].mean() < bcg.posterior["beta"].mean()


def test_only_the_intercept_is_a_fixed_effect_analysis():
    fit = fit_of("se(yi, sei) ~ 1", "bcg", priors={"Intercept": bg.Prior("Flat")})
    draws = fit.posterior["beta"].values
    # metafor's rma(method = "FE")
    assert (draws.mean(), draws.std()) == (pytest.approx(-0.4303, abs=0.005), pytest.approx(0.0405, rel=0.06))
    with pytest.raises(PredictionError, match="all studies have one true effect"):
        bg.heterogeneity(fit)


def test_what_is_refused():
    data = bg.load_dataset("bcg")
    counts = bg.GLMM("p(tpos, tpos + tneg) ~ 1 + (1 | study)", data, family="binomial")
    with pytest.raises(PredictionError, match="is the sd of their effects"):
        bg.heterogeneity(counts.fit(random_seed=1, progressbar=False))
    with pytest.raises(FormulaError, match="gaussian, student, not 'poisson'"):
        bg.GLMM(BCG, data, family="poisson")
    with pytest.raises(FormulaError, match="choose one"):
        bg.GLMM("precision(se(yi, sei), ablat) ~ 1", data)
    with pytest.raises(DataError, match="must be above zero: it holds standard errors"):
        bg.GLMM(BCG, data.assign(sei=data["sei"] - data["sei"].min()))
    with pytest.raises(DataError, match="must be numeric"):
        bg.GLMM("se(yi, alloc) ~ 1", data)


def test_new_responses_need_their_standard_errors(bcg):
    rows = bg.load_dataset("bcg").head(3)
    near = bg.posterior_predictive(bcg, rows.assign(sei=1e-6), random_seed=1)["posterior_predictive"]["yi"]
    far = bg.posterior_predictive(bcg, rows.assign(sei=10.0), random_seed=1)["posterior_predictive"]["yi"]
    assert float(near.std()) < 1.0 < 9.0 < float(far.std())
    with pytest.raises(PredictionError, match="no column 'sei'"):
        bg.posterior_predictive(bcg, rows.drop(columns="sei"), random_seed=1)
    assert len(bg.predictions(bcg, rows.drop(columns="sei"))) == 3  # averages do not


def test_a_row_a_study_says_nothing_of_a_residual_beside_it():
    with pytest.warns(DataWarning, match="only the sum of its variance and the residual variance is identified"):
        bg.GLMM("se(yi, sei, sigma=True) ~ 1 + (1 | study)", bg.load_dataset("bcg"))


def test_saved_and_loaded(bcg, tmp_path):
    bcg.save(tmp_path / "bcg.fit")
    again = bg.load(tmp_path / "bcg.fit")
    assert bg.heterogeneity(again).equals(bg.heterogeneity(bcg))
    assert again.model.spec == bcg.model.spec
