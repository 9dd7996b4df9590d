"""Two stories in a browser: sliders move curves and words, and both say what the package computes."""

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from bayes_glmm.links import LINKS
from bayes_glmm.predict.quadrature import gaussian_mean
from tests.widgets.reading import FRAME, curves, move, numbers, opened

#: link -> the number in the words, of a step on the link's scale
STEP = {"logit": np.exp, "cloglog": np.exp, "log": np.exp, "probit": np.abs}
PIXEL = 0.004  # of an axis from 0 to 1: coordinates are rounded to a hundredth of a pixel, labels to their digits


def said(page):
    """The second and third sentence: the numbers for a typical group and on average."""
    lines = [line for line in page.text(".words").split("\n") if line.strip()]
    return lines, numbers(lines[1]), numbers(lines[2])


def three(value):
    return float(f"{value:.3g}")


@pytest.mark.parametrize("link", STEP)
def test_curves_and_words_follow_the_sliders(pages, tmp_path, link):
    page = opened(pages, bg.widgets.two_stories(link=link, levels=7), tmp_path)
    a, b, s = (move(page, name, value) for name, value in (("intercept", -0.4), ("effect", 1.1), ("sd", 2.0)))
    assert (a, b, s) == (-0.4, 1.1, 2.0)
    made = LINKS[link]
    ends = np.array([a, a + b])
    marginal = gaussian_mean(made, ends, s**2)
    lines, typical, average = said(page)
    per = 1 if link == "log" else 100
    assert lines[0] == "From x = 0 to x = 1:"
    assert typical == [three(STEP[link](b)), *(three(per * value) for value in made.inverse(ends))]
    step = float(np.diff(made.link(marginal))[0])
    assert average == [three(STEP[link](step)), *(three(per * value) for value in marginal)]
    ceiling = 1 if link != "log" else 1.15 * gaussian_mean(made, a + 4 * b, s**2)
    for kind, height in (("typical", made.inverse), ("average", lambda eta: gaussian_mean(made, eta, s**2))):
        (curve,) = curves(page, kind)
        x, y = curve.T
        inside = y <= ceiling
        np.testing.assert_allclose(x[[0, -1]], [-3, 4], atol=0.01)
        np.testing.assert_allclose(y[inside], height(a + b * x[inside]), atol=PIXEL * ceiling)
    assert len(curves(page, "level")) == 7


def test_the_scale_of_the_linear_predictor(pages, tmp_path):
    """There a typical group and the levels are straight and parallel, and the average is the logit of the integral."""
    page = opened(pages, bg.widgets.two_stories(intercept=-1, effect=1.5, sd=2, levels=5), tmp_path)
    before = said(page)
    page.click('[data-name="scale"]')
    page.evaluate(FRAME)
    assert page.evaluate("document.querySelector('.drawing .label:last-child').textContent") == "log-odds"
    ((x, y),) = (curve.T for curve in curves(page, "typical"))
    np.testing.assert_allclose(y, -1 + 1.5 * x, atol=0.06)
    ((_, averaged),) = (curve.T for curve in curves(page, "average"))
    np.testing.assert_allclose(averaged, LINKS["logit"].link(gaussian_mean(LINKS["logit"], y, 4.0)), atol=0.06)
    for curve in curves(page, "level"):
        assert np.ptp(curve[:, 1] - y) < 0.02
    assert said(page) == before


def test_levels_stay_while_sliders_move_and_change_when_asked(pages, tmp_path):
    page = opened(pages, bg.widgets.two_stories(sd=1.0, levels=20, seed=4), tmp_path)
    page.click('[data-name="scale"]')
    page.evaluate(FRAME)

    def departures():
        typical = curves(page, "typical")[0][:, 1]
        return np.array([np.mean(curve[:, 1] - typical) for curve in curves(page, "level")])

    first = departures()
    move(page, "sd", 2.0)
    np.testing.assert_allclose(departures(), 2 * first, atol=0.06)
    move(page, "sd", 0.0)
    assert np.ptp(departures()) < 1e-6 and "alike" in page.text(".words")
    move(page, "sd", 1.0)
    page.click('[data-name="more"]')
    page.evaluate(FRAME)
    assert np.abs(departures() - first).max() > 0.5
    page.click('[data-name="reset"]')
    page.evaluate(FRAME)
    assert page.evaluate("document.querySelector('[data-name=\"scale\"]').checked") is False
    page.click('[data-name="scale"]')
    page.evaluate(FRAME)
    np.testing.assert_allclose(departures(), first, atol=1e-9)


def test_links_change_what_is_said(pages, tmp_path):
    page = opened(pages, bg.widgets.two_stories(sd=1.0, outcome="relapse", group="clinic"), tmp_path)
    for link, words in (
        ("probit", "flatter by √(1 + sd²) = 1.41"),
        ("log", "lies 1.65 = exp(sd²/2) times above the typical clinic"),
        ("cloglog", "hazard ratio of the average is closer to 1"),
        ("logit", "odds ratio of the average is closer to 1"),
    ):
        choose = f"const s = document.querySelector('[data-name=\"link\"]'); s.value = '{link}';"
        page.evaluate(f"(() => {{ {choose} s.dispatchEvent(new Event('change')); return {FRAME}; }})()")
        assert words in page.text(".words")
    assert "In a typical clinic" in page.text(".words") and "over all clinics" in page.text(".words")
    label = page.evaluate("document.querySelector('svg[role=img]').getAttribute('aria-label')")
    assert "multiplies the odds by" in label
    ylabel = "[...document.querySelectorAll('.drawing .label')].at(-1).textContent"
    assert page.evaluate(ylabel) == "probability of relapse"


@pytest.mark.parametrize("looks", [{"width": 400, "touch": True, "dark": True}, {"width": 1200}])
def test_keyboard_fingers_and_sizes(pages, tmp_path, looks):
    page = opened(pages, bg.widgets.two_stories(), tmp_path, height=900, **looks)
    names = ["intercept", "effect", "sd", "link", "scale", "more", "reset"]
    order = []
    for _ in names:
        page.press("Tab")
        order.append(page.evaluate("document.activeElement.dataset.name"))
    assert order == names
    page.evaluate("document.querySelector('[data-name=sd]').focus()")
    page.press("ArrowRight", times=2)
    page.evaluate(FRAME)
    assert page.evaluate("document.querySelector('[data-name=sd]').getAttribute('aria-valuetext')") == "1.6"
    page.press("Home")
    page.evaluate(FRAME)
    assert "alike" in page.text(".words")
    box = page.box("[data-name=effect]")
    middle = box["y"] + box["height"] / 2
    page.drag([(box["x"] + 20, middle), (box["x"] + box["width"] - 3, middle)], touch=looks.get("touch", False))
    page.evaluate(FRAME)
    assert page.evaluate("document.querySelector('[data-name=effect]').value") == "4"
    assert page.evaluate("document.documentElement.scrollWidth") <= looks["width"]
    ground = "getComputedStyle(document.querySelector('.bayes-glmm')).backgroundColor"
    assert page.evaluate(ground) == ("rgb(20, 24, 30)" if looks.get("dark") else "rgb(255, 255, 255)")
    unnamed = "[...document.querySelectorAll('input, select')].filter((e) => !e.labels[0]?.textContent.trim()).length"
    assert page.evaluate(unnamed) == 0
    # else JupyterLab's shortcuts take the arrow keys from sliders; it looks at the focused element first
    shielded = "document.querySelectorAll('input, select, button').length === document.querySelectorAll("
    assert page.evaluate(f"{shielded}'[data-lm-suppress-shortcuts=true]').length")


def test_a_page_loads_nothing_and_takes_any_text(pages, tmp_path):
    page = pages()
    page.send("Network.enable")
    nasty = "</script><img src=x onerror=alert(1)> & \"ward\" 'é'"
    page.open(bg.widgets.two_stories(group=nasty, outcome="<b>é").save_html(tmp_path / "page.html"))
    page.evaluate(FRAME)
    asked = [one["params"]["request"]["url"] for one in page.events() if one["method"] == "Network.requestWillBeSent"]
    assert [url.rpartition("/")[2] for url in asked] == ["page.html"]
    assert nasty in page.text(".legend") and page.evaluate("document.images.length") == 0
    assert nasty in page.evaluate("document.title")


# from a fit ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit():
    """Successes over a number, a number of two values, a factor and an interaction; two crossed factors."""
    rng, rows = np.random.default_rng(5), 400
    data = pd.DataFrame({"dose": rng.uniform(2, 37, rows), "old": rng.integers(0, 2, rows)})
    data["drug"], data["clinic"] = np.resize(["a", "b", "c"], rows), np.arange(rows) % 20
    data["doctor"] = rng.integers(0, 25, rows)
    eta = -1 + 0.05 * data["dose"] + 0.8 * data["old"] + rng.normal(size=20)[data["clinic"]]
    data["relapse"] = rng.binomial(1, 1 / (1 + np.exp(-eta)))
    model = bg.GLMM("relapse ~ dose * old + drug + (1 | clinic) + (1 | doctor)", data, family="bernoulli")
    return model.fit(method="laplace", draws=200, chains=2, random_seed=1, progressbar=False)


def test_a_fit_starts_the_sliders_at_its_posterior_means(fit, pages, tmp_path):
    widget = bg.widgets.two_stories(fit, "dose")
    posterior = fit.posterior
    sd = np.sqrt(posterior["sd_clinic"] ** 2 + posterior["sd_doctor"].to_numpy() ** 2).mean()
    assert widget.sd == pytest.approx(float(sd))
    rows = bg.grid(fit, dose=[20.0, 30.0])
    eta = bg.predictions(fit, rows, random_effects="typical", scale="link")["estimate"].to_numpy()
    assert [widget.intercept, widget.intercept + widget.effect] == pytest.approx(list(eta))
    page = opened(pages, widget, tmp_path)
    words = page.text(".words")
    assert words.startswith("From dose = 20 to dose = 30:") and "clinic and doctor" in words
    ((x, y),) = (curve.T for curve in curves(page, "typical"))
    data = fit.model.design.frame["dose"]
    np.testing.assert_allclose(x[[0, -1]], [data.min(), data.max()], atol=0.1)
    line = bg.predictions(fit, bg.grid(fit, dose=list(x)), random_effects="typical", scale="link")["estimate"]
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-line)), atol=0.005)
    assert page.evaluate("document.querySelector('[data-name=link]')") is None


def test_levels_of_a_factor_are_named(fit, pages, tmp_path):
    widget = bg.widgets.two_stories(fit, {"drug": ("a", "c")})
    page = opened(pages, widget, tmp_path)
    assert page.evaluate("[...document.querySelectorAll('.x-tick')].map((t) => t.textContent)") == ["a", "c"]
    assert page.text(".words").startswith("From drug = a to drug = c:")
    asked = {"newdata": bg.grid(fit), "random_effects": "typical", "comparison": "log_odds_ratio"}
    row = bg.avg_comparisons(fit, {"drug": ["a", "c"]}, **asked)
    assert widget.effect == pytest.approx(row["estimate"].iloc[0], abs=1e-9)
    both = bg.widgets.two_stories(fit, "old", group="clinic or doctor")
    assert (both._state()["x_from"], both._state()["x_to"]) == (0.0, 1.0)


def refitted(formula, family="bernoulli", **arguments):
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=60), "g": np.arange(60) % 6, "y": rng.integers(0, 2, 60)})
    data["z"] = rng.normal(size=60)
    return bg.GLMM(formula, data, family=family, **arguments).fit(
        method="laplace", draws=20, chains=1, random_seed=1, progressbar=False
    )


@pytest.mark.parametrize(
    ("made", "x", "words"),
    [
        (("y ~ x + (x | g)",), "x", "'g' has effects of Intercept, x; .* wherever x is"),
        (("y ~ poly(x, 2) + (1 | g)",), "x", "no straight line in 'x'"),
        (("y ~ x",), "x", "no grouping factor, so there is one story only"),
        (("z ~ x + (1 | g)", "gaussian"), "x", "under the identity link both stories are the same"),
        (("y ~ x + (1 | g)",), None, r"x= must name the predictor along the axis. Valid names: 'x'"),
        (("y ~ x + (1 | g)",), "q", "the model has no predictor 'q'. Valid names: 'x'"),
        (("y ~ x + (1 | g)",), {"x": (1, 1)}, r"give two different values of 'x', \(from, to\)"),
        (("y ~ x + (1 | g)",), {"x": (1, 2), "z": (1, 2)}, "x= takes one predictor"),
    ],
)
def test_fits_of_other_kinds_are_refused_in_words(made, x, words):
    with pytest.raises(GLMMError, match=words):
        bg.widgets.two_stories(refitted(*made), x)


def test_a_factor_of_several_levels_needs_two_of_them(fit):
    with pytest.raises(GLMMError, match=r"'drug' has 3 levels; say which two are compared, \{'drug': \('a', 'c'\)\}"):
        bg.widgets.two_stories(fit, "drug")
    with pytest.raises(GLMMError, match="no level 'd'"):
        bg.widgets.two_stories(fit, {"drug": ("a", "d")})
    with pytest.raises(GLMMError, match="sd= comes from the fit"):
        bg.widgets.two_stories(fit, "dose", sd=1.0)
    with pytest.raises(GLMMError, match="names a predictor of a fit"):
        bg.widgets.two_stories(x="dose")
