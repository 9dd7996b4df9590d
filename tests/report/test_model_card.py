"""What a model says of itself before it is fitted."""

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg


def model(formula, data, **options):
    return bg.GLMM(formula, pd.DataFrame(data), **options)


def rows(n=40, **extra):
    rng = np.random.default_rng(3)
    base = {"y": rng.normal(size=n), "x": rng.normal(size=n), "z": rng.normal(size=n)}
    return {**base, "g": [f"g{i % 8}" for i in range(n)], "h": [f"h{i % 5}" for i in range(n)], **extra}


EQUATIONS = [
    (
        "y ~ x",
        {},
        [r"\mathrm{y}_i &\sim \operatorname{Normal}(\mu_i, \sigma)", r"\mu_i &= \beta_{0} + \beta_{1}\,\mathrm{x}_i"],
    ),
    ("y ~ 0 + x", {}, [r"\mu_i &= \beta_{0}\,\mathrm{x}_i"]),
    ("y ~ x + offset(z)", {}, [r"+ \mathrm{offset}_i"]),
    ("y ~ x + (1 | g)", {}, [r"b^{\mathrm{g}}_{0,\,j} &\sim \operatorname{Normal}(0, \mathrm{sd}^{\mathrm{g}}_{0})"]),
    ("y ~ x + (x | g)", {}, [r"\operatorname{MvNormal}(0,", r"R^{\mathrm{g}} &\sim \operatorname{LKJ}(\eta)"]),
    ("y ~ x + (x || g) + (1 | h)", {}, [r"b^{\mathrm{g}}_{1,\,j} &\sim", r"b^{\mathrm{h}}_{0,\,j[i]}"]),
    ("n ~ x", {"family": "poisson"}, [r"\operatorname{Poisson}(\mu_i)", r"\log(\mu_i) &="]),
    ("n ~ x", {"family": "poisson", "link": "sqrt"}, [r"\sqrt{\mu_i} &="]),
]


@pytest.mark.parametrize(("formula", "options", "parts"), EQUATIONS)
def test_equation(formula, options, parts):
    latex = model(formula, rows(n=40) | {"n": np.arange(40) % 7}, **options).equation()
    assert latex.startswith("\\begin{aligned}\n") and latex.endswith("\n\\end{aligned}")
    for part in parts:
        assert part in latex
    assert latex.count("{") == latex.count("}")
    assert all(line.count("&") == 1 for line in latex.split("\\\\\n"))


def test_independent_effects_have_no_correlation():
    latex = model("y ~ x + (x || g)", rows()).equation()
    assert "MvNormal" not in latex and "LKJ" not in latex


def test_names_of_the_users_are_escaped():
    data = rows()
    data["a_b%<i>"] = data.pop("x")
    card = model("y ~ `a_b%<i>` + (1 | g)", data)
    assert r"\mathrm{a\_b\%\lt i\gt }" in card.equation()
    assert "&lt;i&gt;" in card._repr_html_() and "<i>" not in card._repr_html_()


def test_text_says_rows_levels_priors():
    card = repr(model("y ~ x + (x | g)", rows(), priors={"sd": bg.Prior("Exponential", 1)}))
    for words in (
        "y ~ x + (x | g)",
        "gaussian, identity link",
        "rows     40",
        "g (8 levels: Intercept, x, correlated)",
    ):
        assert words in card
    listed = [line.split() for line in card.splitlines() if "sd[g]" in line]
    assert [line[-1] for line in listed] == ["user", "user"]
    assert "default" in card


def test_dropped_rows_and_the_event_are_stated():
    data = rows()
    data["x"][:3] = np.nan
    data["y"] = ["yes" if value > 0 else "no" for value in data["y"]]
    with pytest.warns(bg.errors.DataWarning):
        card = repr(model("y ~ x", data, family="bernoulli"))
    assert "37, 3 dropped for missing values (x 3)" in card
    assert "y = yes counts as 1" in card


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ("weighted(se(y, s), n)", ["standard error is known, s", "a row counts n times"]),
        ("weighted(censored(y, c), n)", ["censored as c says", "a row counts n times"]),
    ],
)
def test_all_that_is_said_of_rows_is_shown(response, said):
    data = rows() | {"s": np.full(40, 0.5), "n": np.arange(40) % 3 + 1, "c": np.arange(40) % 2}
    card = " ".join(repr(model(f"{response} ~ x", data)).split())
    assert [part for part in said if part not in card] == []
