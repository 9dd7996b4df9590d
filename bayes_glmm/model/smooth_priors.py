"""Default priors of smooth terms: of how far curves bend, and of a Gaussian process's lengthscale.

Input: the sets of columns that share a sd. Output: `SmoothPriors`, and from parameters the sds of all coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bayes_glmm.model.prior_table import ParameterPrior, SmoothPriors
from bayes_glmm.priors import Prior

if TYPE_CHECKING:
    from bayes_glmm.design.smooths import Penalised
    from bayes_glmm.model.scales import PredictorScale


def default_smooth_priors(parts: Sequence[Penalised], scales: Sequence[PredictorScale]) -> tuple[SmoothPriors, ...]:
    """Build the default priors of smooths.

    Parameters
    ----------
    parts
        ``Design.penalised``.
    scales
        The unit of every linear predictor, the mean's first.

    Returns
    -------
    tuple of SmoothPriors
        sd: HalfStudentT(3, s), as of a random intercept: columns are scaled so that it is the size of what bends.
        Lengthscale: LogNormal with its median at half the data's half range, and the shortest lengthscale that the
        basis functions can follow at the 1 % quantile, or at a fifth of the median where that is less.
    """
    return tuple(_smooth_priors(part, scales[part.channel]) for part in parts)


def _smooth_priors(part: Penalised, scale: PredictorScale) -> SmoothPriors:
    prior = Prior("HalfStudentT", nu=3, sigma=scale.unit)
    sd = ParameterPrior(f"sd[{part.name}]", prior, lower=0.0, channel=scale.channel, predictor=scale.about)
    if part.spectrum is None:
        return SmoothPriors(sd)
    median = part.usual_length
    spread = math.log(median / max(part.lengths[0], 0.2 * median)) / 2.326
    prior = Prior("LogNormal", mu=math.log(median), sigma=spread)
    return SmoothPriors(sd, ParameterPrior(f"lengthscale[{part.name}]", prior, lower=0.0, channel=scale.channel))
