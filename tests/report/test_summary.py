"""The summary: ArviZ's numbers, tidy rows, words above the table."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from arviz_base import rcParams
from arviz_stats import ess
from arviz_stats import summary as arviz_summary

import bayes_glmm as bg
from bayes_glmm.effects.wording import ratio_words
from bayes_glmm.inference.fit import Fit
from bayes_glmm.printing.table import Table
from bayes_glmm.report.summary import COLUMNS


# ArviZ divides by the zero variance of the correlation matrix's diagonal
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_numbers_are_those_of_arviz(sleepstudy_fit):
    table = sleepstudy_fit.summary(ci_prob=0.8, random_effects=True)
    posterior = sleepstudy_fit.posterior
    # one variable at a time: over several, ArviZ 1.3 mixes up the labels of variables with more than one dim
    options = {"ci_prob": 0.8, "ci_kind": "eti", "round_to": "none"}
    theirs = pd.concat([arviz_summary(posterior[[name]], **options) for name in posterior.data_vars])
    # ArviZ takes its tails from ci_prob; ours are the paper's, 5 % and 95 %
    tails = ess(sleepstudy_fit.posterior, method="tail", prob=(0.05, 0.95))
    names = {"fixed": "beta[{term}]", "sd": "sd_{group}[{term}]", "auxiliary": "{term}"}
    names |= {"corr": "corr_{group}[Intercept, Days]", "random effect": "b_{group}[{term}]"}
    columns = {"mean": "mean", "sd": "sd", "ci_lower": "eti80_lb", "ci_upper": "eti80_ub", "ess_bulk": "ess_bulk"}
    assert len(table) == 2 + 2 + 1 + 1 + 36
    for row in table.to_dict("records"):
        other = theirs.loc[names[row["component"]].format(**row)]
        for ours, name in (columns | {"r_hat": "r_hat"}).items():
            assert row[ours] == pytest.approx(other[name], rel=1e-9), (row, ours)
    assert table["ess_tail"][:2].to_numpy() == pytest.approx(tails["beta"].values, rel=1e-9)
    assert table["ess_tail"][6:].to_numpy() == pytest.approx(tails["b_Subject"].values.ravel(), rel=1e-9)


def test_rows_are_tidy_and_in_reading_order(sleepstudy_fit):
    table = sleepstudy_fit.summary()
    assert tuple(table.columns) == COLUMNS
    assert list(table["component"]) == ["fixed", "fixed", "sd", "sd", "corr", "auxiliary"]
    assert list(table["group"]) == ["", "", "Subject", "Subject", "Subject", ""]
    assert list(table["term"]) == ["Intercept", "Days", "Intercept", "Days", "Intercept, Days", "sigma"]


def test_interval_follows_arviz_default_and_refuses_nonsense(cbpp_fit):
    default, stated = cbpp_fit.summary(), cbpp_fit.summary(ci_prob=rcParams["stats.ci_prob"])
    pd.testing.assert_frame_equal(pd.DataFrame(default), pd.DataFrame(stated))
    with pytest.raises(bg.errors.GLMMError, match="ci_prob="):
        cbpp_fit.summary(ci_prob=89)


def test_words_say_what_was_fitted_and_whether_it_converged(cbpp_fit):
    text = repr(cbpp_fit)
    for words in (
        "p(incidence, size) ~ period + (1 | herd)",
        "binomial family, logit link; rows: 56; levels: 15 herd",
        "4 chains x 1,500 draws",
        "intervals hold 89%",
        "Converged: every check passed on all 20 parameters",
        "period[4]",
    ):
        assert words in text
    assert text == repr(cbpp_fit.summary())


def test_parts_of_a_summary_are_tables_without_its_verdict(cbpp_fit):
    table = cbpp_fit.summary()
    part = table.query("component == 'sd'")
    assert type(part) is Table and "Converged" not in repr(part) and "0.73" in repr(part)
    assert isinstance(table, pd.DataFrame) and isinstance(table.groupby("component")["mean"].max(), pd.Series)


def test_paper_forms_hold_the_figures(cbpp_fit):
    table = cbpp_fit.summary(ci_prob=0.9)
    row = table.iloc[1]
    interval = f"[{row['ci_lower']:.2f}, {row['ci_upper']:.2f}]"
    assert f"| period[2] | {row['mean']:.2f} | {row['sd']:.2f} | {interval} |" in " ".join(table.to_markdown().split())
    assert f"period[2] & ${row['mean']:.2f}$ & ${row['sd']:.2f}$ & ${interval}$ &" in table.to_latex()
    assert "90\\% interval" in table.to_latex() and "R-hat" in table.to_html()


def test_ratios_are_those_of_the_draws(cbpp_fit):
    plain, ratios = cbpp_fit.summary(), cbpp_fit.summary(exponentiate=True)
    odds = np.exp(cbpp_fit.posterior["beta"])
    fixed = ratios["component"] == "fixed"
    np.testing.assert_allclose(ratios.loc[fixed, "mean"], odds.mean(("chain", "draw")))
    np.testing.assert_allclose(ratios.loc[fixed, "ci_upper"], np.exp(plain.loc[fixed, "ci_upper"]), rtol=1e-3)
    pd.testing.assert_frame_equal(pd.DataFrame(ratios[~fixed]), pd.DataFrame(plain[~fixed]))
    pd.testing.assert_frame_equal(
        pd.DataFrame(ratios[["ess_bulk", "r_hat"]]), pd.DataFrame(plain[["ess_bulk", "r_hat"]])
    )
    assert "odds ratios of incidence, the intercept odds" in repr(ratios)


@pytest.mark.parametrize(
    ("family", "link", "words"),
    [
        ("bernoulli", "logit", "odds ratios of y"),
        ("bernoulli", "cloglog", "hazard ratios of y"),
        ("poisson", "log", "ratios of expected y"),
        ("lognormal", None, "ratios of the median of y"),
        ("bernoulli", "probit", None),
        ("gaussian", None, None),
        ("poisson", "sqrt", None),
    ],
)
def test_ratios_are_named_or_refused(family, link, words):
    y = np.resize([0, 1, 1, 0, 1, 0], 12) + (family == "lognormal") * np.arange(1.0, 13.0)
    model = bg.GLMM("y ~ x", {"y": y, "x": np.arange(12.0) % 5}, family=family, link=link)
    if words is None:
        with pytest.raises(bg.errors.GLMMError, match=r"no logarithms of ratios.*comparison='ratio'"):
            ratio_words(Unfitted(model))
    else:
        assert words in ratio_words(Unfitted(model))


@dataclass
class Unfitted:
    """All that the words are read off."""

    model: bg.GLMM


def test_a_ratio_without_a_mean_says_its_median(cbpp_fit):
    """Where a coefficient's tail is exponential its exponential has a tail that no mean exists for."""
    tree = cbpp_fit.dt.copy()
    rng = np.random.default_rng(2)
    beta = tree["posterior"]["beta"].copy()
    beta.loc[{"coef": "period[4]"}] = rng.exponential(2.0, beta.shape[:2])
    tree["posterior"] = tree["posterior"].to_dataset().assign(beta=beta)
    summary = replace(cbpp_fit, dt=tree).summary(exponentiate=True)
    assert np.isnan(summary.set_index("term").loc["period[4]", "mean"])
    assert "exp(period[4]) has no mean that draws could tell" in repr(summary)


def relabelled(fit, **attrs):
    tree = fit.dt.copy()
    tree.attrs = {**tree.attrs, **attrs}
    return replace(fit, dt=tree)


def test_approximate_and_interrupted_fits_are_marked(cbpp_fit):
    approximate = relabelled(cbpp_fit, method="laplace")
    assert "Approximation by laplace" in repr(approximate) and "Approximate (laplace)" in repr(approximate)
    assert approximate.summary()[["r_hat", "ess_bulk", "ess_tail"]].isna().all(axis=None)
    interrupted = relabelled(cbpp_fit, interrupted=1)
    assert "draws, interrupted" in repr(interrupted) and "was interrupted: 1500 draws" in repr(interrupted)


@pytest.mark.parametrize("prob", [0.5, 0.95])
def test_level_effects(sleepstudy_fit, prob):
    table = bg.random_effects(sleepstudy_fit, ci_prob=prob)
    draws = sleepstudy_fit.posterior["b_Subject"].stack(sample=("chain", "draw"))
    assert list(table.columns) == ["group", "level", "term", "estimate", "sd", "lower", "upper"]
    for row in table.iloc[[0, 17, 35]].itertuples():
        values = draws.sel(Subject=row.level, Subject_coef=row.term)
        assert row.estimate == pytest.approx(float(values.mean()))
        assert row.upper - row.lower == pytest.approx(
            float(np.ptp(np.quantile(values, [(1 - prob) / 2, (1 + prob) / 2])))
        )


def test_draws_of_level_effects(sleepstudy_fit):
    table, draws = bg.random_effects(sleepstudy_fit), bg.random_effects(sleepstudy_fit, draws="dataarray")
    posterior = sleepstudy_fit.posterior["b_Subject"]
    assert draws.dims == ("chain", "draw", "obs")
    assert draws.sizes["chain"] == posterior.sizes["chain"] and draws.sizes["draw"] == posterior.sizes["draw"]
    for name in ("group", "level", "term"):
        assert draws[name].values.tolist() == table[name].tolist()
    np.testing.assert_allclose(draws.mean(("chain", "draw")), table["estimate"], rtol=1e-12)
    one = draws.isel(obs=5)
    own = posterior.sel(Subject=one["level"].item(), Subject_coef=one["term"].item())
    np.testing.assert_array_equal(one.values, own.transpose("chain", "draw").values)
    statement = bg.hypotheses(draws, "b3 - b1 > 0")
    assert statement["probability"].item() == float((draws[..., 2] > draws[..., 0]).mean())
    with pytest.raises(bg.errors.PredictionError, match="Did you mean 'dataarray'"):
        bg.random_effects(sleepstudy_fit, draws="array")


def test_a_model_without_groups_has_no_level_effects():
    draws = xr.Dataset({"beta": (("chain", "draw", "coef"), np.zeros((1, 4, 1)))})

    model = SimpleNamespace(design=SimpleNamespace(groups=()))
    fit = Fit(model, xr.DataTree.from_dict({"posterior": draws}))
    assert bg.random_effects(fit).empty
    with pytest.raises(bg.errors.PredictionError, match="no grouping factor"):
        bg.random_effects(fit, draws="dataarray")
