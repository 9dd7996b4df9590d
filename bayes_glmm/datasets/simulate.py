"""Data whose true parameters are known: two stories and two series of any size.

Input: a story, its settings, a seed. Output: a data frame with the truth in ``attrs["truth"]``.
"""

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from bayes_glmm.arguments import checked_seed, in_words
from bayes_glmm.errors import DataError, nearest
from bayes_glmm.structures.pedigree import Pedigree

__all__ = ["simulate"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def simulate(
    story: str, *, random_seed: int | np.random.Generator | None = None, **settings: float | Sequence[float]
) -> pd.DataFrame:
    """Simulate data from a mixed model with known parameters.

    Parameters
    ----------
    story
        ``"steps"``, ``"infections"``, ``"animals"``, ``"logistic"`` or ``"gaussian"``; see Notes.
    random_seed
        Seed or generator; the same seed and settings give the same data.
    **settings
        Sizes and true parameters to change from the story's defaults; see Notes.

    Returns
    -------
    DataFrame
        One row per observation. ``attrs["truth"]`` holds formula, family, link, ``beta`` (link scale), ``sd`` (link
        scale, by group and coefficient), ``corr`` (by group, a matrix in the order of ``sd``) and ``dispersion``.

    Raises
    ------
    DataError
        If the story or a setting is unknown, or a setting is outside what it may be.

    Notes
    -----
    ``"steps"``: daily step counts, negative binomial with a log link and Var(y) = mu + mu^2 / phi. Settings and
    defaults: ``people=60, days=60``; ``typical_steps=7000`` (a weekday of a typical person aged 45, not coached);
    log rate ratios ``weekend=-0.15, decades=-0.10`` (per ten years of age) and ``coached=0.20`` (half of the people,
    in the second half of the days); ``sd_person=0.45, sd_weekend=0.0, corr=0.0, phi=4.0``. With ``sd_weekend`` above
    zero the weekend effect varies between people.

    ``"infections"``: patients of hospitals that adopt a cleaning protocol one after another, Bernoulli with a logit
    link. ``hospitals=30, periods=6, patients=40`` (per hospital and period); ``typical_risk=0.15`` (a typical
    hospital, first period, without the protocol); log odds ratios ``protocol=-0.7, severity=0.5`` (per sd),
    ``period=-0.05``; ``sd_hospital=0.8``.

    ``"animals"``: birth weights of animals with a pedigree; founders were not weighed. Every generation some pairs of
    the one before have young. ``pairs=40, young=4, generations=4`` (after the founders); ``mean=8.0, male=0.6``;
    ``sd_animal=1.2`` (breeding values, of animals that are not inbred), ``sd_dam=0.7``, ``sigma=1.2``. The same table
    is the pedigree: ``bg.Pedigree(animals)``.

    ``"logistic"`` and ``"gaussian"``: standard normal predictors ``x1, x2, ...`` and groups of equal size in random
    order. ``rows=1000, groups=50, predictors=2, slopes=0`` (how many of the predictors have slopes that vary by
    group); ``intercept=-0.5``, ``beta=(0.5, -0.3, 0.2)`` (repeated or cut to the number of predictors),
    ``sd_intercept=0.8, sd_slope=0.4, corr=0.3`` (between any two coefficients of a group), and for ``"gaussian"``
    ``sigma=1.0``.

    Examples
    --------
    >>> infections = simulate("infections", hospitals=12, random_seed=1)
    >>> infections.shape
    (2880, 5)
    >>> infections.attrs["truth"]["beta"]["protocol"]
    -0.7
    """
    if not isinstance(story, str) or story not in _STORIES:
        raise DataError(f"There is no story named {in_words(story)}. {nearest(story, _STORIES)}")
    tell = _STORIES[story]
    allowed = [name for name, one in inspect.signature(tell).parameters.items() if one.kind is one.KEYWORD_ONLY]
    for name in settings:
        if name not in allowed:
            raise DataError(f"The story {story!r} has no setting {name!r}. {nearest(name, allowed)}")
    checked = {name: _check_setting(name, value) for name, value in settings.items()}
    if not isinstance(random_seed, np.random.Generator):
        random_seed = np.random.default_rng(checked_seed(random_seed))
    frame, truth = tell(random_seed, **checked)
    frame.attrs["truth"] = truth
    return frame


def _steps(
    rng: np.random.Generator,
    *,
    people: int = 60,
    days: int = 60,
    typical_steps: float = 7000.0,
    weekend: float = -0.15,
    decades: float = -0.10,
    coached: float = 0.20,
    sd_person: float = 0.45,
    sd_weekend: float = 0.0,
    corr: float = 0.0,
    phi: float = 4.0,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    person = np.repeat(np.arange(people), days)
    day = np.tile(np.arange(days), people)
    age = rng.integers(20, 71, people)
    is_coached = rng.permutation(people) < people // 2
    frame = pd.DataFrame(
        {
            "person": _labels(person, people, "p"),
            "day": day + 1,
            "weekend": (day % 7 >= 5).astype(np.int64),
            "age": age[person],
            "decades": (age[person] - 45) / 10,
            "coached": (is_coached[person] & (day >= days // 2)).astype(np.int64),
        }
    )
    beta = {"Intercept": math.log(typical_steps), "weekend": weekend, "decades": decades, "coached": coached}
    sd = {"Intercept": sd_person} | ({"weekend": sd_weekend} if sd_weekend > 0 else {})
    b = _draw_effects(rng, people, list(sd.values()), corr)
    mu = np.exp(_predictor(frame, beta, sd, b, person))
    frame["steps"] = rng.poisson(mu * rng.gamma(phi, 1 / phi, len(frame)))
    bar = "1 + weekend" if sd_weekend > 0 else "1"
    formula = f"steps ~ weekend + decades + coached + ({bar} | person)"
    return frame, _truth(formula, "negativebinomial", "log", beta, {"person": sd}, corr, {"phi": phi})


def _infections(
    rng: np.random.Generator,
    *,
    hospitals: int = 30,
    periods: int = 6,
    patients: int = 40,
    typical_risk: float = 0.15,
    protocol: float = -0.7,
    severity: float = 0.5,
    period: float = -0.05,
    sd_hospital: float = 0.8,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    hospital = np.repeat(np.arange(hospitals), periods * patients)
    time = np.tile(np.repeat(np.arange(periods), patients), hospitals)
    # A stepped wedge: starts are spread over the periods after the first, and the last step never starts.
    start = 1 + rng.permutation(hospitals) % periods
    frame = pd.DataFrame(
        {
            "hospital": _labels(hospital, hospitals, "h"),
            "period": time,
            "protocol": (time >= start[hospital]).astype(np.int64),
            "severity": rng.standard_normal(len(hospital)),
        }
    )
    beta = {"Intercept": float(special.logit(typical_risk)), "protocol": protocol, "severity": severity}
    beta["period"] = period
    sd = {"Intercept": sd_hospital}
    b = _draw_effects(rng, hospitals, [sd_hospital], 0.0)
    risk = special.expit(_predictor(frame, beta, sd, b, hospital))
    frame["infection"] = (rng.random(len(frame)) < risk).astype(np.int64)
    formula = "infection ~ protocol + severity + period + (1 | hospital)"
    return frame, _truth(formula, "bernoulli", "logit", beta, {"hospital": sd}, 0.0, {})


def _animals(
    rng: np.random.Generator,
    *,
    pairs: int = 40,
    young: int = 4,
    generations: int = 4,
    mean: float = 8.0,
    male: float = 0.6,
    sd_animal: float = 1.2,
    sd_dam: float = 0.7,
    sigma: float = 1.2,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    males, females = np.arange(pairs), pairs + np.arange(pairs)
    dam, sire, is_male = [np.full(2 * pairs, -1)], [np.full(2 * pairs, -1)], [np.arange(2 * pairs) < pairs]
    for _ in range(generations):
        first = sum(map(len, dam))
        dam.append(np.repeat(rng.permutation(females)[:pairs], young))
        sire.append(np.repeat(rng.permutation(males)[: len(dam[-1]) // young], young)[: len(dam[-1])])
        dam[-1] = dam[-1][: len(sire[-1])]
        is_male.append(rng.permutation(len(dam[-1])) % 2 == 0)
        born = first + np.arange(len(dam[-1]))
        males, females = born[is_male[-1]], born[~is_male[-1]]
    mother, father, sex = np.concatenate(dam), np.concatenate(sire), np.concatenate(is_male)
    names = np.array([f"a{i + 1:0{len(str(len(sex)))}d}" for i in range(len(sex))], dtype=object)
    frame = pd.DataFrame({"animal": names, "dam": names[mother], "sire": names[father]})
    founder = mother < 0
    frame.loc[founder, ["dam", "sire"]] = None
    frame["sex"] = pd.Categorical(np.where(sex, "male", "female"))
    inherited = Pedigree(frame).structure
    bred = pd.Series(inherited.related(rng.standard_normal((len(names), 1)))[:, 0], index=inherited.labels)
    of_dam = rng.standard_normal(len(names))
    weight = mean + male * sex + sd_animal * bred[names].to_numpy() + sd_dam * of_dam[mother]
    frame["weight"] = np.where(founder, np.nan, weight + sigma * rng.standard_normal(len(names)))
    sds = {"animal": {"Intercept": sd_animal}, "dam": {"Intercept": sd_dam}}
    beta = {"Intercept": mean, "sex[male]": male}
    formula = "weight ~ sex + (1 | animal) + (1 | dam)"
    return frame, _truth(formula, "gaussian", "identity", beta, sds, 0.0, {"sigma": sigma})


def _logistic(
    rng: np.random.Generator,
    *,
    rows: int = 1000,
    groups: int = 50,
    predictors: int = 2,
    slopes: int = 0,
    intercept: float = -0.5,
    beta: Sequence[float] = (0.5, -0.3, 0.2),
    sd_intercept: float = 0.8,
    sd_slope: float = 0.4,
    corr: float = 0.3,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    series = _series(rng, rows, groups, predictors, slopes, intercept, beta, sd_intercept, sd_slope, corr)
    frame, eta, fixed, sd, formula = series
    frame.insert(0, "y", (rng.random(rows) < special.expit(eta)).astype(np.int64))
    return frame, _truth(formula, "bernoulli", "logit", fixed, {"group": sd}, corr, {})


def _gaussian(
    rng: np.random.Generator,
    *,
    rows: int = 1000,
    groups: int = 50,
    predictors: int = 2,
    slopes: int = 0,
    intercept: float = -0.5,
    beta: Sequence[float] = (0.5, -0.3, 0.2),
    sd_intercept: float = 0.8,
    sd_slope: float = 0.4,
    corr: float = 0.3,
    sigma: float = 1.0,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    series = _series(rng, rows, groups, predictors, slopes, intercept, beta, sd_intercept, sd_slope, corr)
    frame, eta, fixed, sd, formula = series
    frame.insert(0, "y", eta + sigma * rng.standard_normal(rows))
    return frame, _truth(formula, "gaussian", "identity", fixed, {"group": sd}, corr, {"sigma": sigma})


_STORIES: dict[str, Callable[..., tuple[pd.DataFrame, dict[str, Any]]]] = {
    "steps": _steps,
    "infections": _infections,
    "animals": _animals,
    "logistic": _logistic,
    "gaussian": _gaussian,
}


def _series(
    rng: np.random.Generator,
    rows: int,
    groups: int,
    predictors: int,
    slopes: int,
    intercept: float,
    beta: Sequence[float],
    sd_intercept: float,
    sd_slope: float,
    corr: float,
) -> tuple[pd.DataFrame, Floats, dict[str, float], dict[str, float], str]:
    if groups > rows:
        raise DataError(f"groups={groups} is more than rows={rows}: ask for at most as many groups as rows.")
    if slopes > predictors:
        raise DataError(f"slopes={slopes} is more than predictors={predictors}: only predictors can have slopes.")
    if predictors and not len(beta):
        raise DataError("beta is empty: give at least one coefficient, or predictors=0.")
    names = [f"x{j + 1}" for j in range(predictors)]
    X = rng.standard_normal((rows, predictors))
    group = rng.permutation(np.arange(rows) % groups)
    frame = pd.DataFrame(X, columns=names)
    frame["group"] = _labels(group, groups, "g")
    values = np.resize(np.asarray(beta, dtype=float), predictors).tolist()
    fixed = {"Intercept": intercept} | dict(zip(names, values, strict=True))
    sd = {"Intercept": sd_intercept} | dict.fromkeys(names[:slopes], sd_slope)
    b = _draw_effects(rng, groups, list(sd.values()), corr)
    bar = " + ".join(["1", *names[:slopes]])
    formula = f"y ~ {' + '.join(names) or '1'} + ({bar} | group)"
    return frame, _predictor(frame, fixed, sd, b, group), fixed, sd, formula


def _draw_effects(rng: np.random.Generator, levels: int, sd: Sequence[float], corr: float) -> Floats:
    size = len(sd)
    if size > 1 and corr <= -1 / (size - 1):
        raise DataError(
            f"corr={corr} is too low for {size} coefficients that share it: "
            f"give a value above {-1 / (size - 1):.3f} and below 1."
        )
    L = np.linalg.cholesky(np.where(np.eye(size, dtype=bool), 1.0, corr))
    effects: Floats = rng.standard_normal((levels, size)) @ L.T * np.asarray(sd)
    return effects


def _predictor(frame: pd.DataFrame, beta: dict[str, float], sd: dict[str, float], b: Floats, level: Ints) -> Floats:
    eta = np.full(len(frame), beta["Intercept"])
    for name, value in beta.items():
        if name != "Intercept":
            eta += value * frame[name].to_numpy()
    for j, name in enumerate(sd):
        effect = b[level, j]
        eta += effect if name == "Intercept" else effect * frame[name].to_numpy()
    return eta


def _labels(codes: Ints, size: int, prefix: str) -> pd.Categorical:
    width = len(str(size))
    return pd.Categorical.from_codes(codes, categories=[f"{prefix}{j + 1:0{width}d}" for j in range(size)])


def _truth(
    formula: str,
    family: str,
    link: str,
    beta: dict[str, float],
    sd: dict[str, dict[str, float]],
    corr: float,
    dispersion: dict[str, float],
) -> dict[str, Any]:
    matrices = {
        group: np.where(np.eye(len(terms), dtype=bool), 1.0, corr).tolist()
        for group, terms in sd.items()
        if len(terms) > 1
    }
    return {
        "formula": formula,
        "family": family,
        "link": link,
        "beta": beta,
        "sd": sd,
        "corr": matrices,
        "dispersion": dispersion,
    }


# The smallest value of each count, and the open interval of each setting that has one.
_COUNTS = {"people": 2, "days": 1, "hospitals": 2, "periods": 2, "patients": 1, "rows": 1, "groups": 1}
_COUNTS |= {"predictors": 0, "slopes": 0, "pairs": 2, "young": 2, "generations": 1}
_OPEN_INTERVALS = {
    "typical_steps": (0.0, math.inf),
    "typical_risk": (0.0, 1.0),
    "phi": (0.0, math.inf),
    "sigma": (0.0, math.inf),
    "corr": (-1.0, 1.0),
}


def _check_setting(name: str, value: Any) -> Any:
    if name in _COUNTS:
        return _check_count(name, value)
    if name == "beta":
        return [_check_number(name, item) for item in np.atleast_1d(np.asarray(value, dtype=object))]
    number = _check_number(name, value)
    if name.startswith("sd_") and number < 0:
        raise DataError(f"{name}={value!r} is below zero: an sd is zero or more.")
    low, high = _OPEN_INTERVALS.get(name, (-math.inf, math.inf))
    if not low < number < high:
        raise DataError(f"{name}={value!r} is out of range: give a value above {low:g} and below {high:g}.")
    return number


def _check_count(name: str, value: Any) -> int:
    try:
        count = operator.index(value)
    except TypeError as error:
        raise DataError(f"{name}={value!r} is not a whole number.") from error
    if count < _COUNTS[name]:
        raise DataError(f"{name}={value!r} is too small: give {_COUNTS[name]} or more.")
    return count


def _check_number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}={value!r} is not a number.") from error
    if not math.isfinite(number):
        raise DataError(f"{name}={value!r} is not finite.")
    return number
