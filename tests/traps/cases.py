"""Models at awkward scales, and how their figures are found in our posterior and in a likelihood fit.

Input: nothing. Output: `CASES`; `tests.traps.judge` compares them. The likelihood fit is of the same model at a
friendly scale (``r``), so that its numerics are beyond doubt; what is compared does not depend on the scale: linear
predictors of rows, coefficients of highest order in the raw unit, sds of a group's effect at stated predictors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from bayes_glmm.priors import Prior
from tests.traps import data as made


@dataclass(frozen=True)
class Spread:
    """The sd of a group's effect, sqrt(z' Sigma z): our z, and the likelihood fit's coefficient, which has that sd.

    `factor` turns its sd into ours.
    """

    z: Mapping[str, float]
    r: str = "(Intercept)"
    factor: float = 1.0


@dataclass(frozen=True, eq=False)
class Trap:
    """A model at an awkward scale.

    Parameters
    ----------
    id
        What is awkward, in words.
    data
        Makes the table.
    formula, family, link
        Our model.
    r
        The same model at a friendly scale, in R's grammar.
    slopes
        Our coefficient -> the likelihood fit's, and the factor that makes it ours.
    spreads
        (grouping factor, label) -> a sd of its effects.
    unit, origin
        Our linear predictor is origin + unit times the likelihood fit's.
    priors
        Stated ones; every case of the table has the defaults.
    fast
        Whether every test run looks at it.
    """

    id: str
    data: Callable[[], pd.DataFrame]
    formula: str
    r: str
    slopes: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    spreads: Mapping[tuple[str, str], Spread] = field(default_factory=dict)
    family: str = "gaussian"
    link: str | None = None
    unit: float = 1.0
    origin: float = 0.0
    priors: Mapping[str, Prior] = field(default_factory=dict)
    fast: bool = False


INTERCEPT = {("g", "intercept"): Spread({"Intercept": 1.0})}


def slope(name: str, origin: float, sd: float, friendly: str) -> dict[tuple[str, str], Spread]:
    """Intercepts at `origin` and slopes of a predictor whose friendly version is (x - origin) / sd."""
    return {
        ("g", f"effect at {origin:g}"): Spread({"Intercept": 1.0, name: origin}),
        ("g", "slope"): Spread({name: 1.0}, friendly, 1 / sd),
    }


def years(id, response, family="gaussian", r=None, **more):
    """`treat * year` and one intercept a state, in one family."""
    return Trap(
        id, made.panel, f"{response} ~ treat * year + (1 | g)", f"{r or response} ~ treat * yc + (1 | g)",
        {"treat:year": ("treat:yc", 1 / 6)}, INTERCEPT, family, **more,
    )  # fmt: skip


SUCCESSES = "cbind(s, n - s)"
YEAR = slope("year", 2010.5, 6, "yc")
TEMP = slope("temp", 37, 0.5, "tc")

PANEL = [
    years("treat*year, gaussian", "y", fast=True),
    years("treat*year, Poisson", "c", "poisson", fast=True),
    years("treat*year, negative binomial", "nb", "negativebinomial"),
    years("treat*year, binomial", "p(s, n)", "binomial", SUCCESSES),
    years("treat*year, gamma", "pos", "gamma", link="log"),
    years("treat*year, beta", "rate", "beta"),
    years("treat*year, lognormal", "pos", "lognormal", "log(pos)"),
    Trap("year + year^2", made.panel, "y ~ year + I(year**2) + (1 | g)", "y ~ yc + I(yc^2) + (1 | g)",
         {"I(year ** 2)": ("I(yc^2)", 1 / 36)}, INTERCEPT, fast=True),
    Trap("year + year^2 + year^3", made.panel, "y ~ year + I(year**2) + I(year**3) + (1 | g)",
         "y ~ yc + I(yc^2) + I(yc^3) + (1 | g)", {"I(year ** 3)": ("I(yc^3)", 1 / 216)}, INTERCEPT),
    Trap("year + year^2, Poisson", made.panel, "c ~ year + I(year**2) + (1 | g)", "c ~ yc + I(yc^2) + (1 | g)",
         {"I(year ** 2)": ("I(yc^2)", 1 / 36)}, INTERCEPT, "poisson"),
    Trap("(year | g)", made.panel, "y ~ year + (year | g)", "y ~ yc + (yc | g)", {"year": ("yc", 1 / 6)}, YEAR,
         fast=True),
    Trap("treat*year + (year | g)", made.panel, "y ~ treat * year + (year | g)", "y ~ treat * yc + (yc | g)",
         {"treat:year": ("treat:yc", 1 / 6)}, YEAR),
    Trap("(year | g), Poisson", made.panel, "c ~ treat * year + (year | g)", "c ~ treat * yc + (yc | g)",
         {"treat:year": ("treat:yc", 1 / 6)}, YEAR, "poisson"),
    Trap("(year | g), binomial", made.panel, "p(s, n) ~ treat * year + (year | g)",
         f"{SUCCESSES} ~ treat * yc + (yc | g)", {"treat:year": ("treat:yc", 1 / 6)}, YEAR, "binomial"),
    Trap("year + 100 000", made.panel, "y ~ treat * far + (far | g)", "y ~ treat * yc + (yc | g)",
         {"treat:far": ("treat:yc", 1 / 6)}, slope("far", 102010.5, 6, "yc")),
    Trap("days since 1970", made.panel, "y ~ treat * days + (days | g)", "y ~ treat * daysc + (daysc | g)",
         {"treat:days": ("treat:daysc", 1 / 2100)}, slope("days", 14900, 2100, "daysc")),
    Trap("days since 1970, Poisson", made.panel, "c ~ treat * days + (1 | g)", "c ~ treat * daysc + (1 | g)",
         {"treat:days": ("treat:daysc", 1 / 2100)}, INTERCEPT, "poisson"),
    Trap("year*dose", made.panel, "y ~ year * dose + (1 | g)", "y ~ yc * dosec + (1 | g)",
         {"year:dose": ("yc:dosec", 1 / 42)}, INTERCEPT),
    Trap("treat*year*dose", made.panel, "y ~ treat * year * dose + (1 | g)", "y ~ treat * yc * dosec + (1 | g)",
         {"treat:year:dose": ("treat:yc:dosec", 1 / 42)}, INTERCEPT),
    Trap("region*year", made.panel, "y ~ region * year + (1 | g)", "y ~ region * yc + (1 | g)",
         {"region[d]:year": ("regiond:yc", 1 / 6)}, INTERCEPT),
    Trap("0 + region + region:year", made.panel, "y ~ 0 + region + region:year + (1 | g)",
         "y ~ 0 + region + region:yc + (1 | g)", {"region[d]:year": ("regiond:yc", 1 / 6)}, INTERCEPT),
    Trap("year without groups", made.panel, "y ~ treat * year", "y ~ treat * yc", {"treat:year": ("treat:yc", 1 / 6)}),
    Trap("year without groups, Poisson", made.panel, "c ~ treat * year + I(year**2)", "c ~ treat * yc + I(yc^2)",
         {"treat:year": ("treat:yc", 1 / 6), "I(year ** 2)": ("I(yc^2)", 1 / 36)}, family="poisson"),
]  # fmt: skip

PATIENTS = [
    Trap("(temp | patient)", made.patients, "y ~ temp + (temp | g)", "y ~ tc + (tc | g)", {"temp": ("tc", 2.0)}, TEMP,
         fast=True),
    Trap("(temp | patient), binomial", made.patients, "p(s, n) ~ temp + (temp | g)", f"{SUCCESSES} ~ tc + (tc | g)",
         {"temp": ("tc", 2.0)}, TEMP, "binomial"),
    Trap("(temp | patient), Poisson", made.patients, "c ~ temp + (temp | g)", "c ~ tc + (tc | g)",
         {"temp": ("tc", 2.0)}, TEMP, "poisson"),
    Trap("arm*temp", made.patients, "y ~ arm * temp + (temp | g)", "y ~ arm * tc + (tc | g)",
         {"arm[placebo]:temp": ("armplacebo:tc", 2.0)}, TEMP),
    Trap("Kelvin", made.patients, "y ~ kelvin + I(kelvin**2) + (kelvin | g)", "y ~ tc + I(tc^2) + (tc | g)",
         {"I(kelvin ** 2)": ("I(tc^2)", 4.0)}, slope("kelvin", 310.15, 0.5, "tc")),
    Trap("300 below zero", made.patients, "y ~ below + (below | g)", "y ~ tc + (tc | g)", {"below": ("tc", 2.0)},
         slope("below", -300, 0.5, "tc")),
    Trap("300 below zero, negative binomial", made.patients, "nb ~ below + (below | g)", "nb ~ tc + (tc | g)",
         {"below": ("tc", 2.0)}, slope("below", -300, 0.5, "tc"), "negativebinomial"),
]  # fmt: skip

SITES = [
    Trap("lat*lon", made.sites, "y ~ lat * lon + (1 | g)", "y ~ latc * lonc + (1 | g)",
         {"lat:lon": ("latc:lonc", 1 / 0.4)}, INTERCEPT, fast=True),
    Trap("lat*lon, Poisson", made.sites, "c ~ lat * lon + (1 | g)", "c ~ latc * lonc + (1 | g)",
         {"lat:lon": ("latc:lonc", 1 / 0.4)}, INTERCEPT, "poisson"),
    Trap("lat*lon, binomial", made.sites, "p(s, n) ~ lat * lon + (1 | g)", f"{SUCCESSES} ~ latc * lonc + (1 | g)",
         {"lat:lon": ("latc:lonc", 1 / 0.4)}, INTERCEPT, "binomial"),
    Trap("UTM metres", made.sites, "y ~ east * north + (1 | g)", "y ~ lonc * latc + (1 | g)",
         {"east:north": ("lonc:latc", 1 / 6e8)}, INTERCEPT),
    Trap("UTM metres, Poisson", made.sites, "c ~ east * north + (1 | g)", "c ~ lonc * latc + (1 | g)",
         {"east:north": ("lonc:latc", 1 / 6e8)}, INTERCEPT, "poisson"),
    Trap("UTM surface", made.sites, "y ~ east * north + I(east**2) + I(north**2) + (1 | g)",
         "y ~ lonc * latc + I(lonc^2) + I(latc^2) + (1 | g)", {"east:north": ("lonc:latc", 1 / 6e8)}, INTERCEPT),
    Trap("lat*lon*height", made.sites, "y ~ lat * lon * height + (1 | g)", "y ~ latc * lonc * heightc + (1 | g)",
         {"lat:lon:height": ("latc:lonc:heightc", 1 / 12)}, INTERCEPT),
]  # fmt: skip

INCOMES = [
    Trap("income and age", made.incomes, "y ~ income * age + (1 | g)", "y ~ incomec * agec + (1 | g)",
         {"income:age": ("incomec:agec", 1 / 81_000)}, INTERCEPT),
    Trap("(income | region)", made.incomes, "y ~ income + (income | g)", "y ~ incomec + (incomec | g)",
         {"income": ("incomec", 1 / 9_000)}, slope("income", 50_000, 9_000, "incomec"), fast=True),
    Trap("(income | region), Poisson", made.incomes, "c ~ income + (income | g)", "c ~ incomec + (incomec | g)",
         {"income": ("incomec", 1 / 9_000)}, slope("income", 50_000, 9_000, "incomec"), "poisson"),
    Trap("response of fifty thousand", made.incomes, "pay ~ age + (1 | g)", "I((pay - 50000) / 8000) ~ agec + (1 | g)",
         {"age": ("agec", 8_000 / 9)}, {("g", "intercept"): Spread({"Intercept": 1.0}, factor=8_000)}, unit=8_000,
         origin=50_000),
    Trap("response of a millionth", made.incomes, "small ~ income + (1 | g)", "y ~ incomec + (1 | g)",
         {"income": ("incomec", 1e-6 / 9_000)}, {("g", "intercept"): Spread({"Intercept": 1.0}, factor=1e-6)},
         unit=1e-6),
    Trap("response of a hundred million", made.incomes, "large ~ income * age + (1 | g)",
         "y ~ incomec * agec + (1 | g)", {"income:age": ("incomec:agec", 1e8 / 81_000)},
         {("g", "intercept"): Spread({"Intercept": 1.0}, factor=1e8)}, unit=1e8),
    Trap("(moles | region)", made.incomes, "y ~ moles + (moles | g)", "y ~ incomec + (incomec | g)",
         {"moles": ("incomec", 1e7)}, slope("moles", 3e-6, 1e-7, "incomec")),
    Trap("(parsecs | region)", made.incomes, "y ~ parsecs + (parsecs | g)", "y ~ incomec + (incomec | g)",
         {"parsecs": ("incomec", 1 / 2e11)}, slope("parsecs", 4e12, 2e11, "incomec")),
    Trap("log of tiny doses", made.incomes, "y ~ log(dose) + (log(dose) | g)", "y ~ incomec + (incomec | g)",
         {"log(dose)": ("incomec", 1 / 1.5)}, slope("log(dose)", -14, 1.5, "incomec")),
    Trap("log of tiny doses, gamma", made.incomes, "pos ~ log(dose) + (1 | g)", "pos ~ incomec + (1 | g)",
         {"log(dose)": ("incomec", 1 / 1.5)}, INTERCEPT, "gamma", "log"),
]  # fmt: skip

CELLS = [
    Trap("0 + f, means of 37", made.cells, "warm ~ 0 + f + (1 | g)", "warm ~ 0 + f + (1 | g)",
         {"f[d]": ("fd", 1.0)}, INTERCEPT, fast=True),
    Trap("0 + f:h, means of 37", made.cells, "warm ~ 0 + f:h + (1 | g)", "warm ~ 0 + f:h + (1 | g)", {}, INTERCEPT),
    Trap("0 + f, gaussian with x", made.cells, "y ~ 0 + f + x + (1 | g)", "y ~ 0 + f + xc + (1 | g)",
         {"x": ("xc", 1 / 6)}, INTERCEPT),
    Trap("f*h, means of 37", made.cells, "warm ~ f * h + (1 | g)", "warm ~ f * h + (1 | g)",
         {"f[d]:h[w]": ("fd:hw", 1.0)}, INTERCEPT),
    Trap("0 + f, counts in the thousands", made.cells, "many ~ 0 + f + (1 | g)", "many ~ 0 + f + (1 | g)",
         {"f[d]": ("fd", 1.0)}, INTERCEPT, "poisson"),
    Trap("counts in the thousands, f*x", made.cells, "many ~ f * x + (1 | g)", "many ~ f * xc + (1 | g)",
         {"f[d]:x": ("fd:xc", 1 / 6)}, INTERCEPT, "poisson"),
    Trap("exposures of 20 000 to 900 000", made.cells, "cases ~ h * x + offset(log(people)) + (1 | g)",
         "cases ~ h * xc + offset(log(people)) + (1 | g)", {"h[w]:x": ("hw:xc", 1 / 6)}, INTERCEPT, "poisson"),
    Trap("0 + f with exposures", made.cells, "cases ~ 0 + f + offset(log(people)) + (1 | g)",
         "cases ~ 0 + f + offset(log(people)) + (1 | g)", {"f[d]": ("fd", 1.0)}, INTERCEPT, "poisson"),
    Trap("two in a thousand", made.cells, "p(rare, trials) ~ 0 + f + (1 | g)",
         "cbind(rare, trials - rare) ~ 0 + f + (1 | g)", {"f[d]": ("fd", 1.0)}, INTERCEPT, "binomial"),
    Trap("998 in a thousand", made.cells, "p(usual, trials) ~ f * x + (1 | g)",
         "cbind(usual, trials - usual) ~ f * xc + (1 | g)", {"f[d]:x": ("fd:xc", 1 / 6)}, INTERCEPT, "binomial"),
]  # fmt: skip

BOTH = INTERCEPT | {("t", "intercept"): Spread({"Intercept": 1.0})}
OTHERS = [
    Trap("year, crossed", made.crossed, "y ~ year + (1 | g) + (1 | t)", "y ~ yc + (1 | g) + (1 | t)",
         {"year": ("yc", 1 / 6)}, BOTH),
    Trap("year, nested", made.crossed, "y ~ year + (1 | g / k)", "y ~ yc + (1 | g) + (1 | g:k)",
         {"year": ("yc", 1 / 6)}, INTERCEPT | {("g:k", "intercept"): Spread({"Intercept": 1.0})}),
    Trap("year, crossed, Poisson", made.crossed, "c ~ year + (1 | g) + (1 | t)", "c ~ yc + (1 | g) + (1 | t)",
         {"year": ("yc", 1 / 6)}, BOTH, "poisson"),
    Trap("year, eight groups", made.few, "y ~ year + (1 | g)", "y ~ yc + (1 | g)", {"year": ("yc", 1 / 6)}),
    Trap("year, eight groups, Poisson", made.few, "c ~ year + (1 | g)", "c ~ yc + (1 | g)", {"year": ("yc", 1 / 6)},
         family="poisson"),
    Trap("one count a level", made.single, "count ~ year + I(year**2) + (1 | g)", "count ~ yc + I(yc^2) + (1 | g)",
         {"I(year ** 2)": ("I(yc^2)", 1 / 36)}, INTERCEPT, "poisson"),
    Trap("sleepstudy, days from the year 0", made.sleep, "ms ~ day + (day | g)", "ms ~ dc + (dc | g)",
         {"day": ("dc", 1 / 3)}, slope("day", 730_004.5, 3, "dc")),
    Trap("sleepstudy, seconds", made.sleep, "seconds ~ day + (1 | g)", "ms ~ dc + (1 | g)", {"day": ("dc", 1e-3 / 3)},
         {("g", "intercept"): Spread({"Intercept": 1.0}, factor=1e-3)}, unit=1e-3),
    Trap("sleepstudy, nanoseconds", made.sleep, "ns ~ day + (day | g)", "ms ~ dc + (dc | g)",
         {"day": ("dc", 1e6 / 3)}, {("g", "slope"): Spread({"day": 1.0}, "dc", 1e6 / 3)}, unit=1e6),
    Trap("ratings in years", made.ratings, "rating ~ year + (1 | g)", "rating ~ yc + (1 | g)",
         {"year": ("yc", 1 / 4.5)}, INTERCEPT, "cumulative"),
]  # fmt: skip

CASES = [*PANEL, *PATIENTS, *SITES, *INCOMES, *CELLS, *OTHERS]
