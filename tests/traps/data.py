"""Data at awkward scales: simulated with fixed seeds, each with the same numbers at a friendly scale beside them.

Friendly columns end in ``c`` (centred, in units of about one sd); the likelihood fits use these, the cases the others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

import bayes_glmm as bg


def effects(rng: np.random.Generator, groups: int, sd: float, slope: float = 0.0, corr: float = 0.3) -> np.ndarray:
    """(groups, 2) intercepts and slopes at the friendly scale."""
    cov = [[sd**2, corr * sd * slope], [corr * sd * slope, slope**2]]
    return rng.multivariate_normal([0.0, 0.0], cov, size=groups)


def responses(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    """Responses of several families to one linear predictor."""
    return {
        "y": 5.0 + eta + rng.normal(0, 0.7, len(eta)),
        "c": rng.poisson(np.exp(1.5 + 0.5 * eta)),
        "nb": rng.negative_binomial(4, 4 / (4 + np.exp(2.0 + 0.5 * eta))),
        "s": rng.binomial(12, expit(0.8 * eta)),
        "n": np.full(len(eta), 12),
        "pos": rng.gamma(4.0, np.exp(1.0 + 0.4 * eta) / 4.0),
        "rate": rng.beta(12 * expit(0.6 * eta - 1), 12 * expit(1 - 0.6 * eta)),
    }


def panel() -> pd.DataFrame:
    """Forty states in the years 2001 to 2020, half of them treated; days since 1970 of the same dates."""
    rng = np.random.default_rng(101)
    g, year = (part.ravel() for part in np.meshgrid(np.arange(40), np.arange(2001, 2021), indexing="ij"))
    yc = (year - 2010.5) / 6
    treat, region = g % 2, np.array(["a", "b", "c", "d"])[g % 4]
    dose = 80 + 5 * rng.normal(size=40)[g] + rng.normal(0, 5, len(g))
    dosec = (dose - 80) / 7
    b = effects(rng, 40, 0.6, 0.3)
    eta = 0.4 * treat + 0.3 * yc + 0.5 * treat * yc + 0.25 * yc**2 - 0.2 * dosec + 0.2 * dosec * yc
    eta = eta + b[g, 0] + b[g, 1] * yc
    days = (year - 1970) * 365.25 + rng.integers(0, 300, len(g))
    table = {"g": g, "year": year, "yc": yc, "treat": treat, "region": region, "dose": dose, "dosec": dosec,
             "days": days, "daysc": (days - 14900) / 2100, "far": year + 1e5}  # fmt: skip
    return named(table | responses(rng, eta))


def patients() -> pd.DataFrame:
    """Sixty patients, eight temperatures of 37 +- 0.5 each; the same in Kelvin, and below zero."""
    rng = np.random.default_rng(102)
    g = np.repeat(np.arange(60), 8)
    temp = 37 + 0.5 * rng.normal(size=len(g))
    tc = (temp - 37) / 0.5
    b = effects(rng, 60, 0.5, 0.4)
    eta = 0.6 * tc + b[g, 0] + b[g, 1] * tc
    arm = np.array(["placebo", "low", "high"])[g % 3]
    table = {"g": g, "temp": temp, "tc": tc, "kelvin": temp + 273.15, "below": temp - 337, "arm": arm}
    return named(table | responses(rng, eta))


def sites() -> pd.DataFrame:
    """Fifty sites: degrees of latitude and longitude, UTM metres, height."""
    rng = np.random.default_rng(103)
    g = np.repeat(np.arange(50), 8)
    latc, lonc, heightc = rng.normal(size=(3, len(g)))
    eta = 0.5 * latc - 0.3 * lonc + 0.4 * latc * lonc + 0.2 * heightc + effects(rng, 50, 0.5)[g, 0]
    table = {"g": g, "latc": latc, "lonc": lonc, "heightc": heightc, "lat": 46 + 0.8 * latc, "lon": 7 + 0.5 * lonc,
             "east": 512_000 + 20_000 * lonc, "north": 5_104_000 + 30_000 * latc,
             "height": 1500 + 30 * heightc}  # fmt: skip
    return named(table | responses(rng, eta))


def incomes() -> pd.DataFrame:
    """Thirty-six regions of 2 to 40 rows: incomes of fifty thousand as predictor and response, tiny and huge units."""
    rng = np.random.default_rng(104)
    g = np.repeat(np.arange(36), np.resize([2, 3, 5, 8, 13, 40], 36))
    incomec, agec = rng.normal(size=(2, len(g)))
    b = effects(rng, 36, 0.5, 0.3)
    eta = 0.5 * incomec + 0.2 * agec + 0.3 * incomec * agec + b[g, 0] + b[g, 1] * incomec
    table = {"g": g, "incomec": incomec, "agec": agec, "income": 50_000 + 9_000 * incomec, "age": 45 + 9 * agec,
             "moles": 3e-6 + 1e-7 * incomec, "parsecs": 4e12 + 2e11 * incomec,
             "dose": np.exp(-14 + 1.5 * incomec)}  # fmt: skip
    frame = named(table | responses(rng, eta))
    return frame.assign(pay=50_000 + 8_000 * (frame["y"] - 5), small=1e-6 * frame["y"], large=1e8 * frame["y"])


def cells() -> pd.DataFrame:
    """Thirty groups, four treatments and two sexes within: cell means far from zero, counts in the thousands."""
    rng = np.random.default_rng(105)
    g = np.repeat(np.arange(30), 16)
    f, h = np.tile(np.arange(16) // 4, 30), np.tile(np.arange(16) % 2, 30)
    xc = rng.normal(size=len(g))
    eta = np.array([0.0, 0.5, -0.3, 0.8])[f] + 0.4 * h - 0.5 * h * (f == 3) + 0.3 * xc + effects(rng, 30, 0.14)[g, 0]
    people = rng.integers(20_000, 900_000, len(g))
    frame = named({"g": g, "f": np.array(list("abcd"))[f], "h": np.array(["m", "w"])[h], "xc": xc, "x": 2010 + 6 * xc,
                   "people": people} | responses(rng, eta))  # fmt: skip
    return frame.assign(
        warm=37 + 0.2 * (frame["y"] - 5),
        many=rng.poisson(np.exp(8 + 0.3 * eta)),
        cases=rng.poisson(people * np.exp(-7 + 0.4 * eta)),
        rare=rng.binomial(4000, expit(-6 + 0.4 * eta)),
        usual=rng.binomial(4000, expit(6 + 0.4 * eta)),
        trials=4000,
    )


def crossed() -> pd.DataFrame:
    """Thirty schools in twenty years, crossed; classes within schools."""
    rng = np.random.default_rng(106)
    g, t = (part.ravel() for part in np.meshgrid(np.arange(30), np.arange(20), indexing="ij"))
    year, yc = 1990 + t, (t - 9.5) / 6
    k = rng.integers(0, 4, len(g))
    eta = 0.4 * yc + effects(rng, 30, 0.6)[g, 0] + effects(rng, 20, 0.4)[t, 0] + effects(rng, 120, 0.5)[4 * g + k, 0]
    frame = named({"g": g, "t": t, "k": k, "year": year, "yc": yc} | responses(rng, eta))
    return frame.assign(t="t" + frame["t"].astype(str), k="k" + frame["k"].astype(str))


def few() -> pd.DataFrame:
    """Eight groups of twelve rows, years."""
    rng = np.random.default_rng(107)
    g = np.repeat(np.arange(8), 12)
    yc = rng.normal(size=len(g))
    eta = 0.4 * yc + effects(rng, 8, 0.8)[g, 0]
    return named({"g": g, "yc": yc, "year": 2010 + 6 * yc} | responses(rng, eta))


def single() -> pd.DataFrame:
    """One count a level, in the hundreds, over years; no groups otherwise."""
    rng = np.random.default_rng(108)
    yc = rng.uniform(-1.6, 1.6, 150)
    eta = 0.3 * yc + rng.normal(0, 0.4, 150)
    frame = named({"g": np.arange(150), "yc": yc, "year": 2010 + 6 * yc} | responses(rng, eta))
    return frame.assign(count=rng.poisson(np.exp(5.5 + eta)))


def sleep() -> pd.DataFrame:
    """sleepstudy (lme4) with its days counted from the year 0, and reactions in seconds and nanoseconds."""
    rows = bg.load_dataset("sleepstudy")
    days = rows["Days"].astype(float)
    return pd.DataFrame({
        "g": rows["Subject"].astype(str), "day": 730_000 + days, "dc": (days - 4.5) / 3,
        "ms": rows["Reaction"], "seconds": rows["Reaction"] / 1e3, "ns": rows["Reaction"] * 1e6,
    })  # fmt: skip


def ratings() -> pd.DataFrame:
    """Forty judges, fifteen ratings each in the years 2001 to 2015."""
    rng = np.random.default_rng(109)
    g, t = (part.ravel() for part in np.meshgrid(np.arange(40), np.arange(15), indexing="ij"))
    yc = (t - 7) / 4.5
    latent = 0.6 * yc + effects(rng, 40, 0.9)[g, 0] + rng.logistic(size=len(g))
    rating = np.digitize(latent, [-1.5, 0.0, 1.5]) + 1
    frame = named({"g": g, "year": 2001 + t, "yc": yc, "rating": rating})
    return frame.assign(rating=pd.Categorical(frame["rating"], ordered=True))


def named(table: dict[str, np.ndarray]) -> pd.DataFrame:
    """Levels with names, so that no program takes them for numbers."""
    frame = pd.DataFrame(table)
    return frame.assign(g="g" + frame["g"].astype(str).str.zfill(3))
