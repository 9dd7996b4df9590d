"""Simulated data: the truth is recovered by moments, the same seed gives the same rows, wrong settings are refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from bayes_glmm.datasets import simulate
from bayes_glmm.errors import DataError

SMALL = {
    "steps": {"people": 6, "days": 9, "sd_weekend": 0.2, "corr": -0.4},
    "infections": {"hospitals": 7, "periods": 3, "patients": 5},
    "logistic": {"rows": 101, "groups": 7, "slopes": 1},
    "gaussian": {"rows": 101, "groups": 7, "predictors": 5, "slopes": 3},
}
COLUMNS = {
    "steps": ["person", "day", "weekend", "age", "decades", "coached", "steps"],
    "infections": ["hospital", "period", "protocol", "severity", "infection"],
    "logistic": ["y", "x1", "x2", "group"],
    "gaussian": ["y", "x1", "x2", "x3", "x4", "x5", "group"],
}
ROWS = {"steps": 54, "infections": 105, "logistic": 101, "gaussian": 101}


@pytest.mark.parametrize("story", SMALL)
def test_same_seed_same_data(story):
    first = simulate(story, random_seed=3, **SMALL[story])
    pd.testing.assert_frame_equal(first, simulate(story, random_seed=3, **SMALL[story]))
    assert not first.equals(simulate(story, random_seed=4, **SMALL[story]))
    assert list(first) == COLUMNS[story]
    assert len(first) == ROWS[story]


@pytest.mark.parametrize("story", SMALL)
def test_the_truth_names_the_columns_of_the_data(story):
    frame = simulate(story, random_seed=3, **SMALL[story])
    truth = frame.attrs["truth"]
    assert truth["formula"].split(" ~ ")[0] in frame
    assert set(truth["beta"]) - {"Intercept"} <= set(frame)
    for group, sd in truth["sd"].items():
        assert group in frame
        assert set(sd) <= set(truth["beta"])
        assert frame[group].nunique() == len(frame[group].cat.categories)
        if len(sd) > 1:
            corr = np.array(truth["corr"][group])
            assert corr.shape == (len(sd), len(sd))
            assert np.linalg.eigvalsh(corr).min() > 0


def test_gaussian_truth_by_least_squares():
    frame = simulate("gaussian", rows=200_000, groups=2000, slopes=1, random_seed=11)
    truth = frame.attrs["truth"]
    by_group = frame.groupby("group", observed=True)
    n = 100
    # Within a group least squares estimates intercept and slopes with covariance sigma^2 (X'X)^-1, about sigma^2 / n.
    fits = np.array(
        [
            np.linalg.lstsq(np.c_[np.ones(len(one)), one[["x1", "x2"]]], one["y"].to_numpy(), rcond=None)[0]
            for _, one in by_group
        ]
    )
    beta = np.array(list(truth["beta"].values()))
    errors = fits.std(axis=0, ddof=1) / np.sqrt(len(fits))
    assert np.all(np.abs(fits.mean(axis=0) - beta) < 4 * errors)
    cov = np.cov(fits[:, :2].T) - truth["dispersion"]["sigma"] ** 2 / (n - 4) * np.eye(2)
    sd = np.sqrt(np.diag(cov))
    # Standard errors: of an sd about sd / sqrt(2 groups), of a correlation below 1 / sqrt(groups).
    assert np.all(np.abs(sd / np.array([0.8, 0.4]) - 1) < 4 / np.sqrt(2 * 2000))
    assert abs(cov[0, 1] / sd.prod() - 0.3) < 4 / np.sqrt(2000)


def test_logistic_truth_by_the_mean_of_the_population():
    frame = simulate("logistic", rows=400_000, groups=4000, predictors=1, random_seed=12)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    for low, high in [(-0.1, 0.1), (0.9, 1.1)]:
        rows = frame[frame["x1"].between(low, high)]
        eta = -0.5 + 0.5 * rows["x1"].to_numpy()[:, None] + 0.8 * nodes
        expected = (special.expit(eta) @ weights / weights.sum()).mean()
        # Rows of a group share an effect: the error of the mean comes from the groups' means.
        means = rows.groupby("group", observed=True)["y"].mean()
        assert abs(rows["y"].mean() - expected) < 4 * means.std() / np.sqrt(len(means))


def test_steps_truth_by_moments():
    frame = simulate("steps", people=3000, days=56, random_seed=13)
    truth = frame.attrs["truth"]
    beta, phi = truth["beta"], truth["dispersion"]["phi"]
    sd = truth["sd"]["person"]["Intercept"]
    work = frame[(frame["weekend"] == 0) & (frame["coached"] == 0)]
    person = work.groupby("person", observed=True)["steps"].agg(["mean", "var", "size"])
    # E[y | person] = mu, Var(y | person) = mu + mu^2 / phi, so (var - mean) / (mean^2 - var / n) estimates 1 / phi.
    ratio = (person["var"] - person["mean"]).sum() / (person["mean"] ** 2 - person["var"] / person["size"]).sum()
    assert ratio == pytest.approx(1 / phi, rel=0.05)
    decades = frame.groupby("person", observed=True)["decades"].first()
    level = np.log(person["mean"]) - beta["decades"] * decades + 0.5 * ratio / person["size"]
    assert abs(level.mean() - beta["Intercept"]) < 4 * level.std() / np.sqrt(len(level))
    assert np.sqrt(level.var() - (ratio / person["size"]).mean()) == pytest.approx(sd, rel=4 / np.sqrt(2 * 3000))
    slope = np.polyfit(decades, np.log(person["mean"]), 1)[0]
    assert abs(slope - beta["decades"]) < 4 * sd / decades.std() / np.sqrt(len(level))
    for column, rows in {"weekend": frame[frame["coached"] == 0], "coached": frame}.items():
        halves = rows.groupby(["person", column], observed=True)["steps"].agg(["mean", "size"]).unstack().dropna()
        # E[log of a mean of n days] is lower than the log of its expectation by about 1 / (2 phi n).
        logs = np.log(halves["mean"]) + 0.5 / (phi * halves["size"])
        change = logs[1] - logs[0]
        assert abs(change.mean() - beta[column]) < 4 * change.std() / np.sqrt(len(change))


def test_a_person_is_more_alike_than_the_crowd():
    frame = simulate("steps", people=200, random_seed=2)
    counts = frame["steps"]
    assert counts.var() > 100 * counts.mean()
    assert (counts >= 0).all()
    assert counts.dtype == np.int64
    half = frame.groupby(["person", frame["day"] % 2], observed=True)["steps"].mean().unstack()
    assert half.corr().iloc[0, 1] > 0.9


def test_infections_protect_within_a_hospital():
    frame = simulate("infections", hospitals=200, periods=6, patients=50, random_seed=14)
    truth = frame.attrs["truth"]
    assert np.exp(truth["beta"]["protocol"]) < 1
    by_time = frame.groupby("period")["protocol"].mean()
    assert by_time.iloc[0] == 0
    assert by_time.is_monotonic_increasing
    # Hospitals that never start are the comparison in the last period.
    assert 0 < by_time.iloc[-1] < 1
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    first = frame[frame["period"] == 0]
    eta = truth["beta"]["Intercept"] + 0.5 * first["severity"].to_numpy()[:, None] + 0.8 * nodes
    expected = (special.expit(eta) @ weights / weights.sum()).mean()
    means = first.groupby("hospital", observed=True)["infection"].mean()
    assert abs(means.mean() - expected) < 4 * means.std() / np.sqrt(len(means))


def test_a_million_rows():
    frame = simulate("logistic", rows=1_000_000, groups=10_000, slopes=1, random_seed=1)
    assert frame.shape == (1_000_000, 4)
    assert frame["group"].value_counts().eq(100).all()


WRONG = [
    ("step", {}, r"no story named 'step'\. Did you mean 'steps'\?"),
    ("steps", {"peple": 3}, r"no setting 'peple'\. Did you mean 'people'\?"),
    ("steps", {"rng": 3}, "no setting 'rng'"),
    ("steps", {"people": 2.5}, "not a whole number"),
    ("steps", {"people": 1}, "give 2 or more"),
    ("steps", {"phi": 0}, "above 0 and below inf"),
    ("steps", {"corr": 1}, "above -1 and below 1"),
    ("infections", {"sd_hospital": -1}, "an sd is zero or more"),
    ("infections", {"typical_risk": 1.2}, "above 0 and below 1"),
    ("infections", {"protocol": float("nan")}, "not finite"),
    ("infections", {"protocol": "low"}, "not a number"),
    ("logistic", {"rows": 5, "groups": 6}, "at most as many groups as rows"),
    ("logistic", {"predictors": 1, "slopes": 2}, "only predictors can have slopes"),
    ("gaussian", {"slopes": 2, "corr": -0.9}, "too low for 3 coefficients"),
    ("gaussian", {"beta": []}, "at least one coefficient"),
]


@pytest.mark.parametrize(("story", "settings", "message"), WRONG)
def test_wrong_settings(story, settings, message):
    with pytest.raises(DataError, match=message):
        simulate(story, **settings)
