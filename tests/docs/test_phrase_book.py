"""Every entry of the phrase books runs as it stands: the formulas are read, the calls give a result."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import bayes_glmm as bg
from tests.docs.phrase_book import PAGES, entries, is_call, setup

BOOKS = [PAGES / f"{name}.md" for name in ("lme4", "brms", "glmmtmb", "bambi", "marginaleffects")]
ENTRIES = [entry for page in BOOKS for entry in entries(page)]
FORMULAS = [entry for entry in ENTRIES if entry.data]
CALLS = [entry for entry in ENTRIES if any(map(is_call, entry.codes))]
#: Calls that fit again many times or go through PyMC's graph; too slow for every run.
SLOW = re.compile(
    r"sbc\(|kfold\(|sample_prior|prior_predictive|to_pymc|loo\(.*obs|compare\(|tune=|save\(|check_residuals\(.*nb"
)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """Run the lines with which every page begins, once for all of them."""
    (code,) = {setup(page) for page in BOOKS}
    namespace: dict[str, object] = {}
    exec(code, namespace)
    import arviz

    return {**namespace, "arviz": arviz}


def test_the_books_are_whole():
    assert len(ENTRIES) > 180 and len(CALLS) > 150 and len(FORMULAS) > 20
    idle = [str(entry) for entry in ENTRIES if not entry.data and entry not in CALLS]
    said = r"nothing|no equal|the same|with `|fm.model.graph"
    for page in BOOKS:
        for line in page.read_text(encoding="utf-8").splitlines():
            if any(line.startswith(f"| {name.split(': ', 1)[1]}") for name in idle):
                assert re.search(said, line), line


@pytest.fixture(scope="module")
def known() -> dict[str, object]:
    """Results of what several entries say, so that each is made once."""
    return {}


@pytest.mark.parametrize("entry", FORMULAS, ids=str)
def test_formulas_are_read(entry, space):
    formulas = [code for code in entry.codes if "~" in code]
    assert formulas
    given = re.search(r'family="([^"]+)"', " ".join(entry.codes))
    family = given[1] if given else {"herds": "binomial", "seizures": "poisson"}.get(entry.data, "gaussian")
    for formula in formulas:
        bg.GLMM(formula, space[entry.data], family=family)


@pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, marks=[pytest.mark.slow] * bool(SLOW.search(" ".join(entry.codes)))) for entry in CALLS],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
# arviz.summary, of correlations with themselves, which are 1 in every draw
@pytest.mark.filterwarnings("ignore:invalid value encountered in scalar divide:RuntimeWarning")
def test_calls_give_a_result(entry, space, known, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in filter(is_call, entry.codes):
        if code not in known:
            known[code] = eval(code, dict(space))
            plt.close("all")
        result = known[code]
        assert result is not None or code.startswith("print")
        if isinstance(result, pd.DataFrame):
            assert len(result) and not result.isna().all(axis=None)


@pytest.mark.parametrize(
    "term",
    ["s(lbase, bs='tp')", "s(lbase, age)", "me(lbase, 1)", "mi(lbase)", "mm(subject, trt)", "ar(period)"],
)  # fmt: skip
def test_what_has_no_equal_is_refused_in_words(term, space):
    with pytest.raises(bg.errors.FormulaError, match="not available|cannot be used here|of one column|has one basis"):
        bg.GLMM(f"y ~ {term}", space["seizures"], family="poisson")
