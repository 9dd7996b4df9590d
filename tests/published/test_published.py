"""Published figures against our posteriors: the cases, whether they were copied right, and whether any is missing."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.published.cases import judge
from tests.published.cases_brms import BRMS, levels_of
from tests.published.cases_bugs import CHAINS, DOCUMENT
from tests.published.compare import Correlation, Estimate, Mode, Posterior, Quantiles
from tests.published.data import SHARED, AbsentError, reference
from tests.published.registry import BY_FILE, CASES, ETA, LOGIT_NORMAL, NOT_YET
from tests.published.table import markdown, row_of


def named(cases):
    return [
        pytest.param(
            case, id=f"{case.source.split()[0].strip(',')}: {case.id}", marks=[] if case.fast else pytest.mark.slow
        )
        for case in cases
    ]


def here(path: str):
    try:
        return reference(path)
    except AbsentError as absent:
        pytest.skip(str(absent))


@pytest.mark.parametrize("case", named(CASES))
def test_published_figures(case):
    try:
        found = judge(case)
    except AbsentError as absent:
        pytest.skip(str(absent))
    failed = {row.label: str(row) for row in found if not row.reached}
    unknown = [text for label, text in failed.items() if label not in case.limited]
    assert not unknown
    # what is known to be wrong is no excuse for what is not
    assert bool(failed) == bool(case.limited)


@pytest.mark.slow
def test_the_rule_tells_two_priors_apart():
    """Seeds' chains, under the prior of its document: uniform on the sd, not gamma on the precision."""
    chains, document = (
        next(case for case in BY_FILE["bugs"] if case.id == id) for id in ("Seeds, chains", "Seeds, effects")
    )
    try:
        found = judge(replace(chains, priors=document.priors, sampler={}))
    except AbsentError as absent:
        pytest.skip(str(absent))
    assert max(row.ratio for row in found if "tau" in row.name) > 3


# copied right? -------------------------------------------------------------------------------------------------------


def test_likelihood_estimates_are_those_of_the_reference():
    published = here("likelihood_fits.json")
    for case in BY_FILE["likelihood_fits"]:
        fit = published.get(case.id, {})
        if "fixef" not in fit:
            continue
        ours = [figure for _, figure in case.figures.values()]
        estimates = [(figure.value, figure.se) for figure in ours if isinstance(figure, Estimate)]
        assert estimates == list(zip(fit["fixef"].values(), fit["se"].values(), strict=True)), case.id
        modes = [figure.value for figure in ours if isinstance(figure, Mode | Correlation)]
        assert modes in ([], [row["sdcor"] for row in fit["varcomp"]]), case.id


@pytest.mark.parametrize("case", [case for case in BY_FILE["brms"] if case.figures], ids=lambda case: case.id)
def test_brms_figures_are_those_of_the_reference(case):
    published = here(f"brms/{case.id}.json")
    rows = [row for row in published["summary"] if row["sd"] > 0]
    theirs = {(row["mean"], row["sd"], row["mcse_mean"], round(row["ess_bulk"])) for row in rows}
    ours = {(figure.mean, figure.sd, figure.mcse, figure.ess) for _, figure in case.figures.values()}
    rounded = {tuple(f"{number:.6g}" for number in row) for row in theirs}
    assert {tuple(f"{number:.6g}" for number in row) for row in ours} == rounded
    levels = {(row[3], row[4]) for row in levels_of(case.id)}
    effects = [effect for group in published["ranef"].values() for effect in group["values"]]
    assert levels == {pair for (means, sds, *_) in effects for pair in zip(means, sds, strict=True)}


BUGS = [case for case in BY_FILE["bugs"] if case.source in (CHAINS, DOCUMENT)]


@pytest.mark.parametrize("case", BUGS, ids=lambda case: case.id)
def test_bugs_figures_are_those_of_the_reference(case):
    name = case.id.split(",")[0]
    text = json.dumps(here(f"bugs/{name}.json"))
    part = "openbugs_chains_summary" if case.source == CHAINS else "openbugs_doc_tables"
    published = json.loads(text)[part]
    tables = [published["summary"]] if case.source == CHAINS else [table["rows"] for table in published["tables"]]
    theirs = {(row["variable"], row["mean"], row["sd"], row["mcse"]) for table in tables for row in table}
    halves = {
        (row["variable"], row.get("q2.5", row.get("q2_5")), row["q50"], row.get("q97.5", row.get("q97_5")))
        for table in tables
        for row in table
    }
    for label, (_, figure) in case.figures.items():
        if isinstance(figure, Posterior):
            assert (label, figure.mean, figure.sd, figure.mcse) in theirs
        if isinstance(figure, Quantiles):
            assert (label, *(figure.values[p] for p in (0.025, 0.5, 0.975))) in halves


def test_logit_normal_integrals_are_those_of_the_reference():
    published = here("marginal_attenuation.json")["exact_logit_normal"]
    theirs = {(row["sigma"], row["eta"]): row["p_marginal"] for row in published}
    assert theirs == {(sd, eta): p for sd, row in LOGIT_NORMAL.items() for eta, p in zip(ETA, row, strict=True)}


# is any missing? -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["likelihood_fits", "brms", "posteriors", "bugs"])
def test_every_case_of_the_reference_is_covered_or_listed_as_not_yet(folder):
    every = set(here("likelihood_fits.json"))
    if folder != "likelihood_fits":
        every = {path.stem for path in (SHARED / folder).glob("*.json")}
    covered = {re.split("[,:]", case.id)[0] for case in BY_FILE[folder]}
    assert every <= covered | {case.id for case in NOT_YET}
    assert not covered & {case.id for case in NOT_YET}


def test_a_row_of_the_table():
    case = next(case for case in CASES if case.id == "logit-normal integrals")
    row, notes = row_of(case, 1)
    assert row[0] == case.id and row[3] == "24" and row[5] == "yes" and notes == []
    assert markdown(["a"], [["x | y"]]).splitlines() == ["| a |", "| --- |", "| x \\| y |"]


def test_sources_are_named():
    assert all(case.source and case.criterion for case in CASES)
    assert BRMS in {case.source for case in CASES}
