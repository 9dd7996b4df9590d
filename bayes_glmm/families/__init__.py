"""Response families: base densities by what responses may be, and `zeros`, which combines them."""

from bayes_glmm.families import amounts, angles, choices, counts, ordinal, positive, real, steps, trials, unit, zeros
from bayes_glmm.families.family import DISCRETE, FAMILIES, AuxiliaryParameter, Family, Parameters, family_named

__all__ = ["DISCRETE", "FAMILIES", "AuxiliaryParameter", "Family", "Parameters", "family_named"]

FAMILIES.update(
    (family.name, family)
    for family in (
        real.GAUSSIAN,
        real.STUDENT,
        real.SKEWNORMAL,
        real.EXGAUSSIAN,
        trials.BERNOULLI,
        trials.BINOMIAL,
        trials.BETABINOMIAL,
        counts.POISSON,
        counts.NEGATIVEBINOMIAL,
        counts.NEGATIVEBINOMIAL1,
        counts.GEOMETRIC,
        counts.GENERALIZEDPOISSON,
        positive.GAMMA,
        positive.LOGNORMAL,
        positive.EXPONENTIAL,
        positive.WEIBULL,
        positive.INVERSEGAUSSIAN,
        amounts.TWEEDIE,
        angles.VONMISES,
        unit.BETA,
        unit.ORDBETA,
        unit.ZERO_ONE_INFLATED_BETA,
        ordinal.CUMULATIVE,
        *steps.STEPS,
        choices.CATEGORICAL,
        *zeros.FAMILIES_WITH_ZEROS,
    )
)
