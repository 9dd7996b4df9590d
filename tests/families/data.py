"""Data of published analyses, and small data of every family."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

HERE = Path(__file__).parent


def owls() -> pd.DataFrame:
    """Begging of barn owl nestlings: Roulin and Bersier (2007) doi:10.1016/j.anbehav.2007.01.027."""
    return pd.read_csv(HERE / "owls.csv.gz")


def salamanders() -> pd.DataFrame:
    """Counts in mined streams: Price et al. (2016) doi:10.1111/1365-2664.12585, as Brooks et al. (2017) use them."""
    data = pd.read_csv(HERE / "salamanders.csv.gz")
    return data.assign(mined=pd.Categorical(data["mined"], ["yes", "no"]))


def inhaler() -> pd.DataFrame:
    """Clarity of the leaflets of two inhalers: Ezzet and Whitehead (1991) doi:10.1002/sim.4780100606, from brms."""
    data = pd.read_csv(HERE / "inhaler.csv.gz")
    return data.assign(rating=pd.Categorical(data["rating"], ordered=True), subject=data["subject"].astype(str))


_FOODS = ("fish", "invertebrate", "reptile", "bird", "other")
_STOMACHS = """7 1 0 0 5  4 0 0 1 2  16 3 2 2 3  3 0 1 2 3   2 2 0 0 1  13 7 6 0 0  3 9 1 0 2  0 1 0 1 0
3 7 1 0 1  8 6 6 3 5  2 4 1 1 4  0 1 0 0 0   13 10 0 2 2  9 0 0 1 2  3 9 1 0 1  8 1 0 0 1"""


def alligators() -> pd.DataFrame:
    """Main food of 219 alligators, counted: Agresti (2002), Categorical Data Analysis, table 7.1; also in BUGS."""
    lakes, rest = (
        ("Hancock", "Oklawaha", "Trafford", "George"),
        itertools.product(("male", "female"), ("small", "large")),
    )
    cells = list(itertools.product(lakes, rest, _FOODS))
    data = pd.DataFrame(
        {
            "lake": pd.Categorical([lake for lake, _, _ in cells], ["George", "Hancock", "Oklawaha", "Trafford"]),
            "sex": [sex for _, (sex, _), _ in cells],
            "size": pd.Categorical([size for _, (_, size), _ in cells], ["large", "small"]),
            "food": pd.Categorical([food for _, _, food in cells], _FOODS),
            "count": [int(count) for count in _STOMACHS.split()],
        }
    )
    return data


#: Column of `small` for each family.
RESPONSES = {
    "betabinomial": "p(s, n)", "negativebinomial1": "c", "geometric": "c", "generalizedpoisson": "c",
    "exponential": "pos", "weibull": "pos", "inversegaussian": "pos", "skewnormal": "r", "exgaussian": "r",
    "ordbeta": "both", "zero_one_inflated_beta": "both", "zero_inflated_beta": "low", "hurdle_gamma": "amount",
    "tweedie": "amount", "vonmises": "angle",
    "hurdle_lognormal": "amount", "hurdle_poisson": "c", "hurdle_negativebinomial": "c", "zero_inflated_poisson": "c",
    "zero_inflated_negativebinomial": "c", "zero_inflated_negativebinomial1": "c",
    "hurdle_negativebinomial1": "c", "zero_inflated_binomial": "p(s, n)", "zero_inflated_betabinomial": "p(s, n)",
}  # fmt: skip


def small(rows: int = 240, levels: int = 12) -> pd.DataFrame:
    """A predictor, a factor, and a response for every family, with zeros and ones where it may have them."""
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"x": rng.normal(size=rows), "g": np.resize([f"g{i}" for i in range(levels)], rows)})
    eta = 0.3 + 0.5 * data["x"] + np.resize(0.6 * rng.standard_normal(levels), rows)
    some, p, n = rng.random(rows) > 0.25, special.expit(eta), rng.integers(2, 9, rows)
    above, share = np.exp(eta) * rng.gamma(2, 0.5, rows), rng.beta(5 * p, 5 * (1 - p))
    ends = np.where(rng.random(rows) < 0.2, 1.0, share)
    return data.assign(
        r=eta + rng.standard_normal(rows), n=n, s=rng.binomial(n, rng.beta(4 * p, 4 * (1 - p))) * some,
        c=rng.poisson(np.exp(eta) * rng.gamma(2, 0.5, rows)) * some, pos=above, amount=above * some,
        low=share * some, both=ends * some, w=rng.integers(1, 4, rows),
    ).assign(
        angle=np.random.default_rng(7).vonmises(2 * np.arctan(0.5 * eta), 3.0),
    )  # fmt: skip
