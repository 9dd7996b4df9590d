"""The table of invariance for the documentation; ``python -m tests.invariance.table`` prints it in three minutes."""

from __future__ import annotations

import warnings

from bayes_glmm.errors import ConvergenceWarning
from tests.invariance.changes import PROBLEMS
from tests.invariance.judge import judge
from tests.published.table import markdown

HEADER = ["model", "written as", "figures", "worst", "the same"]
INTRODUCTION = """\
The same data and model written in other ways, under the default priors: predictions of six rows (conditional and
marginal), average contrasts, shares of variance, elpd and p-values of the residuals' tests. *Worst* is the largest
difference in units of what is allowed, so that 1 is the limit: four Monte-Carlo errors, both sides' together, for means
and log sds; for elpd and p-values, as many sds over twelve seeds as leave the tail that four leave of a normal
distribution. Rows that are added up are other observations: elpd and residuals are not asked of them."""


def section() -> str:
    """Return the introduction, the totals and the table as markdown."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for problem in PROBLEMS:
            for change in problem.changes:
                found = judge(problem, change)
                missed = [row.label for row in found if not row.reached]
                same = "yes" if not missed else f"no: {', '.join(missed)}"
                worst = max(row.ratio for row in found)
                rows.append([problem.id, f"`{change.id}`", str(len(found)), f"{worst:.2f}", same])
    reached = sum(row[-1] == "yes" for row in rows)
    total = sum(int(row[2]) for row in rows)
    summary = f"{total} figures in {len(rows)} pairs of fits; every figure is the same in {reached} of these."
    return "\n\n".join([INTRODUCTION, summary, markdown(HEADER, rows)]) + "\n"


if __name__ == "__main__":
    print(section())
