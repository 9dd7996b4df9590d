"""A fit as a report: what it says of every kind of model, that it is one file, and that nothing in it is code."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from bayes_glmm.report.groups import _spread_sentences

LAPLACE = {"method": "laplace", "random_seed": 1, "progressbar": False}
VOID = {"meta", "img", "br", "source"}
NAMES = {"x": "<script>alert(1)</script>", "f": "温度 (°C)", "g": "a|b_*c*", "y": "y & <b>z</b>"}


class Page(HTMLParser):
    """A page as its elements and its text; what is open must be closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text, self.levels = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def written(fit, folder, **options):
    return Page(fit.report(folder / "report.html", **options).read_text(encoding="utf-8"))


def rows(n=120, seed=3):
    rng = np.random.default_rng(seed)
    g = np.arange(n) % 10
    data = pd.DataFrame({"x": rng.normal(size=n), "f": rng.choice(list("abc"), n), "g": [f"g{i}" for i in g]})
    data["big"] = 1e5 * rng.normal(size=n)
    eta = 0.5 * data["x"] + (data["f"] == "b") + 0.5 * rng.normal(size=10)[g]
    data["y"], data["n"] = eta + rng.normal(size=n), rng.poisson(np.exp(eta))
    data["bin"], data["pos"] = rng.binomial(1, 1 / (1 + np.exp(-eta))), np.exp(data["y"])
    cuts = np.digitize(eta + rng.logistic(size=n), [-0.5, 1.0])
    data["o"] = pd.Categorical(np.array(["low", "mid", "high"])[cuts], ["low", "mid", "high"], ordered=True)
    data["k"] = rng.binomial(5, 1 / (1 + np.exp(-eta)))
    return data.assign(size=5)


#: (formula, family, what the page must say)
MODELS = [
    ("y ~ x + f", "gaussian", ("Where x is 1 more, the expected y is higher by", "no grouping factors")),
    ("y ~ 1 + (1 | g)", "student", ("The model has no predictors", "Intercepts differ between the 10 levels of g")),
    ("n ~ x * f + (x | g)", "poisson", ("averaged over g", "ratios of expected n", "have a correlation of")),
    ("p(k, size) ~ x + (1 | g)", "binomial", ("the probability of k is higher for a typical g", "odds ratios of k")),
    ("bin ~ bs(x, df=4) + (1 | g)", "bernoulli", ("probability of bin", "curves with bands")),
    ("o ~ x + (1 | g)", "cumulative", ("the probability of category high rises most", "category low falls most")),
    ("pos ~ big + (1 | g)", "lognormal", ("Where big is 100,000 more", "ratios of the median of pos")),
]  # fmt: skip


#: The others take the suite's time.
FAST = ("gaussian", "binomial", "cumulative")


@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [pytest.param(*one, id=one[1], marks=[] if one[1] in FAST else [pytest.mark.slow]) for one in MODELS],
)
def test_every_kind_of_model(tmp_path, formula, family, words):
    page = written(bg.GLMM(formula, rows(), family=family).fit(**LAPLACE), tmp_path, question="Is it so?")
    told = page.text + " ".join(one["alt"] for one in page.all("img"))
    for part in (*words, "Is it so?", "Approximate (laplace)", "89%", "fit(method='laplace', random_seed=1)"):
        assert part in told, part
    assert "nan" not in told.lower().split() and "None" not in told.split()
    assert page.text.index("Approximate (laplace)") < page.text.index("Estimates are means")
    assert_accessible(page)


def assert_accessible(page):
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("meta")[1]["name"] == "viewport" and page.all("title")
    # one file: nothing is loaded, nothing runs
    assert page.all("script") == page.all("link") == []
    assert all(one["src"].startswith("data:image/") and len(one["alt"]) > 40 for one in page.all("img"))
    assert all(one["srcset"].startswith("data:image/") for one in page.all("source"))
    assert len(page.all("figure")) == len(page.all("figcaption")) == len(page.all("img"))
    assert all(one.get("scope") in ("row", "col") for one in page.all("th"))
    anchors = [one["id"] for _, one in page.elements if "id" in one]
    assert len(set(anchors)) == len(anchors)
    assert {one["href"][1:] for one in page.all("a")} <= set(anchors)
    assert {one["aria-labelledby"] for _, one in page.elements if "aria-labelledby" in one} <= set(anchors)


def test_names_are_text_whatever_they_hold(tmp_path):
    data = rows().rename(columns=NAMES)
    formula = f"`{NAMES['y']}` ~ `{NAMES['x']}` + `{NAMES['f']}` + (1 | `{NAMES['g']}`)"
    fit = bg.GLMM(formula, data).fit(**LAPLACE)
    page = written(fit, tmp_path, title="<i>Title</i>", question="1 < 2\nand <script>")
    assert_accessible(page)
    assert page.all("i") == [] and "<i>Title</i>" in page.text and "and <script>" in page.text
    for name in NAMES.values():
        assert name in page.text
    markdown = fit.report(tmp_path / "report.md").read_text(encoding="utf-8")
    outside = re.sub(r"```.*?```", "", markdown, flags=re.S)  # in the lines that make the fit names are as they are
    assert r"\<script\>" in outside and not re.search(r"(?<!\\)<script", outside)


def test_markdown_has_its_figures_beside_it(tmp_path, sleepstudy):
    fit = bg.GLMM("Reaction ~ Days + (1 | Subject)", sleepstudy).fit(**LAPLACE)
    text = fit.report(tmp_path / "sleep.md").read_text(encoding="utf-8")
    pictures = re.findall(r"^!\[.+\]\((.+)\)$", text, flags=re.M)
    assert len(pictures) == 4 and all((tmp_path / one).stat().st_size > 1000 for one in pictures)
    assert text.startswith("# Reaction: a Bayesian gaussian mixed model\n") and "\n$$\n\\begin{aligned}" in text
    titles = re.findall(r"^## (.+)$", text, flags=re.M)
    assert titles == ["Effects", "Groups", "Checks", "Model", "Estimates", "How to reproduce and cite"]


def test_the_same_fit_is_the_same_file(tmp_path, sleepstudy):
    fit = bg.GLMM("Reaction ~ Days", sleepstudy).fit(**LAPLACE)
    first = fit.report(tmp_path / "a.html").read_bytes()
    assert fit.report(tmp_path / "a.html").read_bytes() == first  # replaced
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html"]


def test_numbers_of_sentences_are_those_of_the_functions(tmp_path, cbpp_fit):
    text = " ".join(written(cbpp_fit, tmp_path, ci_prob=0.5).text.split())
    number = r"(\S+) \((\S+) to (\S+)\)"
    both = f"for a typical herd by {number} and averaged over herd by {number}"
    told = re.findall(rf"period is (\d) rather than 1, the probability of incidence is lower {both}", text)
    assert [row[0] for row in told] == ["2", "3", "4"]
    for start, kind in ((1, "typical"), (4, "marginal")):
        table = bg.avg_comparisons(cbpp_fit, "period", random_effects=kind, ci_prob=0.5)
        numbers = [[float(value) for value in row[start : start + 3]] for row in told]
        assert np.allclose(-table[["estimate", "upper", "lower"]], numbers, atol=0.0006)
    assert "Converged" in text and "To do:" not in text.split("Effects")[0]


def test_interactions_are_told_by_the_other_predictor(tmp_path):
    fit = bg.GLMM("y ~ x * two + big * x + (1 | g)", rows().assign(two=lambda d: np.resize(["u", "v"], len(d)))).fit(
        **LAPLACE
    )
    page = written(fit, tmp_path)
    text = " ".join(page.text.split())
    assert "The formula has interactions, x with two and x with big" in text
    number = r"(\S+) \((\S+) to (\S+)\)"
    told = re.search(
        f"Where x is 1 more, the expected y changes by {number} where two is u; by {number} where two is v", text
    )
    table = bg.avg_comparisons(fit, {"x": 1}, by="two", random_effects="typical")
    numbers = np.array(told.groups(), float).reshape(2, 3)
    assert np.allclose(table[["estimate", "lower", "upper"]], numbers, atol=0.06)
    assert any("for u and v of two" in one["alt"] for one in page.all("img"))


def test_versions_are_those_of_the_fit(tmp_path, sleepstudy):
    fit = bg.GLMM("Reaction ~ Days", sleepstudy).fit(**LAPLACE)
    assert re.search(r"Python 3\.\d+.*, pymc \d+\.\d+.*, nutpie ", fit.attrs["versions"])
    fit.save(tmp_path / "fit.nc")
    saved = bg.load(tmp_path / "fit.nc")
    saved.dt.attrs["versions"] = "Python 9.9, pymc 0.1"
    assert "Python 9.9, pymc 0.1" in written(saved, tmp_path).text
    del saved.dt.attrs["versions"]
    assert "versions that were not recorded" in written(saved, tmp_path).text


def test_an_identity_link_has_one_answer_and_an_offset_none(tmp_path):
    data = rows().assign(e=lambda d: d["x"] ** 2)
    page = written(bg.GLMM("y ~ f + offset(e) + (f | g)", data).fit(**LAPLACE), tmp_path)
    told = " ".join(page.text.split())
    assert "The answer is the same for a typical g and averaged over g." in told
    assert "for a typical g by" not in told and "marginal: estimate" not in told
    assert "Fixed by the offset, so not estimated and not compared: e." in told and "Where e is" not in told
    assert "where f is b." in told and "for one unit of f" not in told


def test_models_are_told_of_what_they_have(tmp_path):
    page = written(bg.GLMM("y ~ 1", rows()).fit(**LAPLACE), tmp_path)
    assert "with the same rows." in page.text and "few levels" not in page.text
    assert "The model reproduces the" in page.text


def test_directions_of_categories_are_left_open(tmp_path):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=60), "o": pd.Categorical(rng.choice(list("abc"), 60), ordered=True)})
    page = written(bg.GLMM("o ~ x", data, family="cumulative").fit(**LAPLACE), tmp_path)
    told = " ".join(page.text.split())
    assert "an interval that holds zero leaves the direction open" in told
    assert "rises most" not in told and "falls most" not in told


def test_a_mean_that_a_few_draws_carry_is_said(tmp_path):
    rng = np.random.default_rng(0)
    g = np.arange(40) % 4
    data = pd.DataFrame({"x": rng.normal(size=40), "g": [f"g{i}" for i in g], "c": rng.poisson(0.4, 40)})
    data.loc[g == 3, "c"] = rng.poisson(np.exp(3 * np.abs(data.loc[g == 3, "x"])))
    fit = bg.GLMM("c ~ x + (x | g)", data, family="negativebinomial").fit(**LAPLACE)
    table = bg.avg_comparisons(fit, {"x": 1}, random_effects="marginal", random_seed=0)
    assert table["estimate"].iloc[0] > table["upper"].iloc[0]
    told = " ".join(written(fit, tmp_path).text.split())
    median = float(bg.avg_comparisons(
        fit, {"x": 1}, random_effects="marginal", random_seed=0, draws="dataarray"
    ).median())  # fmt: skip
    found = re.search(r"averaged over g by (\S+) \((\S+) to (\S+); the mean is carried by a few draws, this", told)
    assert found and float(found[2]) < float(found[3])
    assert np.allclose([float(one) for one in found.groups()],
                       [median, *table[["lower", "upper"]].iloc[0]], rtol=0.1, atol=abs(median))  # fmt: skip


def test_draws_that_do_not_do_are_said_first(tmp_path, sleepstudy):
    model = bg.GLMM("Reaction ~ Days + (Days | Subject)", sleepstudy)
    with pytest.warns(bg.errors.ConvergenceWarning):
        fit = model.fit(draws=60, tune=30, chains=2, random_seed=1, progressbar=False)
    page = written(fit, tmp_path)
    body = page.text[page.text.index("How to reproduce and cite") :]  # after the contents
    assert body.index("Do not rely on these draws yet") < body.index("Effects")
    assert "To do:" in body


def test_many_levels_are_counted_and_large_data_are_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr("bayes_glmm.report.story._MOST_AVERAGED", 600)
    monkeypatch.setattr("bayes_glmm.report.story._FEWEST_ROWS", 20)
    monkeypatch.setattr("bayes_glmm.report.trust._MOST_ROWS", 100)
    rng = np.random.default_rng(1)
    places = np.arange(600)
    data = pd.DataFrame({"f": [f"level {i:02}" for i in places % 30], "g": [f"g{i:03}" for i in places % 200]})
    data["y"] = rng.normal(size=600) + (data["f"] == "level 07") * 3
    page = written(bg.GLMM("y ~ f + (1 | g)", data).fit(**LAPLACE), tmp_path)
    told = " ".join(page.text.split())
    assert "20 of the 600 rows, evenly spaced" in told and "f has 30 levels; the 3 clearest" in told
    assert "Where f is level 07 rather than level 00" in told and told.count("rather than level 00") == 3
    assert "Data were not simulated for 600 rows" in told


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("report.pdf", {}, "ends in .html"),
        ("no/report.html", {}, "There is no folder"),
        (".", {}, "is a folder"),
        (3, {}, "path must name a file"),
        ("r.html", {"question": 3}, "question= takes a text"),
        ("r.html", {"ci_prob": 2}, "ci_prob= must lie between 0 and 1"),
    ],
)
def test_wrong_arguments(tmp_path, monkeypatch, cbpp_fit, path, options, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GLMMError, match=words):
        cbpp_fit.report(path, **options)
    assert list(tmp_path.iterdir()) == []


def test_sds_of_further_parameters_have_their_own_unit():
    """The effects of levels on sigma are of log sigma, in sentences, tables and figures."""
    data = bg.load_dataset("sleepstudy")
    model = bg.GLMM("Reaction ~ Days + (Days | Subject)", data, dpar_formulas={"sigma": "~ (Days | Subject)"})
    fit = model.fit(method="laplace", draws=20, random_seed=1, progressbar=False)
    words = list(_spread_sentences(fit, fit.summary()))
    assert words[0].startswith("Intercepts differ between the 18 levels of Subject") and "unit of Reaction" in words[0]
    assert words[2].startswith("Intercepts of log sigma differ") and "Reaction" not in words[2]
    assert words[3].startswith("Effects of Days on log sigma differ") and words[3].endswith("for one unit of Days.")
    assert bg.random_effects(fit).attrs["unit"] == "unit of Reaction; of sigma: log sigma"
