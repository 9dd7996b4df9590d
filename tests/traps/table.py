"""The table of the traps for the documentation; ``python -m tests.traps.table`` prints it in half a minute."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from bayes_glmm.errors import ConvergenceWarning
from tests.published.compare import Comparison
from tests.published.table import markdown
from tests.traps import exact
from tests.traps.cases import CASES
from tests.traps.judge import figures, judge

HEADER = ["case", "model", "family", "source", "figures", "worst", "reached"]
INTRODUCTION = """\
Models whose predictors or responses are far from zero, tiny, huge or almost separated, under the default priors. Their
answers come from the same models at friendly scales, fitted by lme4, glmmTMB and ordinal (`tests/traps/fits.R`), and
from quadrature where there is no estimate. *Worst* is the largest difference in units of what is allowed, so that 1 is
the limit: 0.2 standard errors (plus four Monte-Carlo errors) for coefficients of highest order and linear predictors, a
quarter of a posterior sd between the posterior mode of a sd and REML's estimate, and four Monte-Carlo errors beside
quadrature."""


def section() -> str:
    """Return the introduction, the totals and the table as markdown."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        rows = [_row(case, figures()[case.id]["source"], judge(case)) for case in CASES]
        rows += [_row(case, "quadrature", exact.judge(case)) for case in exact.CASES]
    reached = sum(row[-1] == "yes" for row in rows)
    total = sum(int(row[4]) for row in rows)
    summary = f"{total} figures in {len(rows)} cases; every figure is reached in {reached} of these."
    return "\n\n".join([INTRODUCTION, summary, markdown(HEADER, rows)]) + "\n"


def _row(case, source: str, found: Sequence[Comparison]) -> list[str]:
    missed = [row.label for row in found if not row.reached]
    worst = max(row.ratio for row in found)
    reached = "yes" if not missed else f"all but {', '.join(missed)}"
    return [case.id, f"`{case.formula}`", case.family, source, str(len(found)), f"{worst:.2f}", reached]


if __name__ == "__main__":
    print(section())
