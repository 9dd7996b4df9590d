"""All published fits: the cases, and what no case covers yet, with the reason."""

from __future__ import annotations

import itertools

import numpy as np

from bayes_glmm.links import LINKS
from bayes_glmm.predict.quadrature import gaussian_mean
from tests.published import cases_brms, cases_bugs, cases_censored, cases_likelihood, cases_posteriordb
from tests.published.cases import Case, Identity, NotYet
from tests.published.compare import Comparison, Exact, half_unit

#: Logit-normal integrals by quadrature to seven digits, of ``marginal_attenuation.json``: sd, then eta -> probability.
LOGIT_NORMAL = {
    0.5: (0.05266995, 0.2794192, 0.3840239, 0.6159761, 0.7205808, 0.94733),
    1.0: (0.06932386, 0.3032653, 0.3979729, 0.6020271, 0.6967347, 0.9306761),
    2.0: (0.1295942, 0.3522736, 0.4247575, 0.5752425, 0.6477264, 0.8704058),
    4.0066: (0.246869, 0.4097316, 0.4545702, 0.5454298, 0.5902684, 0.753131),
}
ETA = (-3.0, -1.0, -0.5, 0.5, 1.0, 3.0)


def _logit_normal() -> list[Comparison]:
    rows = []
    for sd, published in LOGIT_NORMAL.items():
        ours = gaussian_mean(LINKS["logit"], np.array(ETA), sd**2)
        for eta, mine, theirs in zip(ETA, ours, published, strict=True):
            rows += Exact(theirs, 2 * half_unit(theirs, 7)).compare(f"P(y = 1), eta {eta:g}, sd {sd:g}", mine)
    return rows


IDENTITIES = [Identity("logit-normal integrals", "adaptive quadrature", "7 digits", _logit_normal)]

BY_FILE: dict[str, list[Case]] = {
    "likelihood_fits": cases_likelihood.CASES,
    "brms": cases_brms.CASES,
    "posteriors": cases_posteriordb.CASES,
    "bugs": cases_bugs.CASES,
}
CASES: list[Case | Identity] = [*IDENTITIES, *itertools.chain.from_iterable(BY_FILE.values()), cases_censored.KIDNEY]

NOT_YET = [
    NotYet("ovary_ar1", "nlme", "autocorrelated residuals"),
    NotYet("owls_zip", "glmmTMB", "here: it is among the families' own published answers"),
    NotYet("owls_zinb", "glmmTMB", "here: it is among the families' own published answers"),
    NotYet("wine_clmm_agq", "ordinal", "nothing to compare: the reference holds the call without its figures"),
]
