"""Two tables for the documentation: published fits beside ours, and those that no model here covers yet.

``python -m tests.published.table`` prints them; it fits everything, some minutes on two cores.
"""

from __future__ import annotations

import warnings

from bayes_glmm.errors import ConvergenceWarning
from tests.published.cases import Case, Identity, judge
from tests.published.data import AbsentError
from tests.published.registry import CASES, NOT_YET

HEADER = ["case", "source", "criterion", "figures", "worst", "reached"]
INTRODUCTION = """\
*Worst* is the largest difference in units of what its criterion allows, so that 1 is the limit.

- **4 MC errors**: means, sds and, where they are published, levels' effects and elpd_loo differ by at most four
  Monte-Carlo standard errors, both sides' together, under the priors of the published fit. A sd's error takes the
  kurtosis into account: the variance of s^2 is (kurtosis - 1) sigma^4 / n, which is 2 sigma^4 / n only where draws are
  normal. Quantiles stand in for moments that do not exist.
- **0.15 se**: posterior means of coefficients lie within 0.15 standard errors of likelihood estimates, under the
  default priors; 0.5 where nine judges (and wide priors of the coefficients) or another estimator (GEE, robust standard
  errors) are behind them.
- **modes**: posterior modes of sds lie within a quarter of a posterior sd of REML's estimates, or of maximum
  likelihood's where coefficients vary within groups; correlations' means within half of one.
- **log likelihood**: ours at the published estimates, group effects integrated out (under REML the coefficients, too),
  is the published one to 0.001."""


def section() -> str:
    """Return both tables as markdown."""
    rows, notes = [], []
    for case in CASES:
        row, note = row_of(case, len(notes) + 1)
        rows.append(row)
        notes += note
    figures = sum(int(row[3] or 0) for row in rows)
    reached = sum(row[5] == "yes" for row in rows)
    summary = f"{figures} figures in {len(rows)} cases; every figure is reached in {reached} of these."
    parts = [INTRODUCTION, summary, markdown(HEADER, rows), *notes]
    parts += [
        "Not yet:",
        markdown(["case", "source", "what is missing"], [[n.id, n.source, n.reason] for n in NOT_YET]),
    ]
    return "\n\n".join(parts) + "\n"


def row_of(case: Case | Identity, number: int) -> tuple[list[str], list[str]]:
    """One row of the table, and the note it refers to where published figures are known to be wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            found = judge(case)
    except AbsentError as absent:
        return [case.id, case.source, case.criterion, "", "", f"not run: {absent}"], []
    failed = [row.label for row in found if not row.reached]
    reached, notes = "yes" if not failed else "no", []
    if failed and set(failed) <= set(case.limited):
        reached = f"all but {len(failed)} ({number})"
        reasons = dict.fromkeys(case.limited[label] for label in failed)
        notes = [f"({number}) {case.id}, {', '.join(failed)}: {'; '.join(reasons)}."]
    worst = max(row.ratio for row in found)
    return [case.id, case.source, case.criterion, str(len(found)), f"{worst:.2f}", reached], notes


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    print(section())
