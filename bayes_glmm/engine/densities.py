"""Densities of one response by its mean, and inverse links, with their derivatives: what row kernels are made of.

Input: a response, its mean (or linear predictor) and auxiliary parameters, numbers. Output: the log density up to terms
in y alone that are zero where y is, and its derivatives. Outside the range of a mean the result is not finite.
"""

from __future__ import annotations

import math

from bayes_glmm.engine.arithmetic import as_written, inlined
from bayes_glmm.engine.vector_math import fast_exp

SQRT_HALF = math.sqrt(0.5)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


@as_written
def digamma(x: float) -> float:
    """Return the derivative of log gamma for x > 0: recurrence to x >= 10, then the series (error < 1e-15)."""
    shift = 0.0
    while x < 10.0:
        shift -= 1.0 / x
        x += 1.0
    q = 1.0 / (x * x)
    series = q * (1 / 12 - q * (1 / 120 - q * (1 / 252 - q * (1 / 240 - q * (1 / 132 - q * (691 / 32760 - q / 12))))))
    return shift + math.log(x) - 0.5 / x - series


@as_written
def log_normal_cdf(x: float) -> tuple[float, float]:
    """Return log Phi(x) and its derivative phi(x) / Phi(x), accurate in both tails."""
    if x > -30.0:
        cdf = 0.5 * math.erfc(-x * SQRT_HALF)
        return math.log(cdf), INV_SQRT_2PI * math.exp(-0.5 * x * x) / cdf
    q = 1.0 / (x * x)
    ratio = 1.0 - q * (1.0 - q * (3.0 - q * (15.0 - 105.0 * q)))
    return -0.5 * x * x - math.log(-x / INV_SQRT_2PI) + math.log(ratio), -x / ratio


# inverse links: eta -> (mu, d mu / d eta) --------------------------------------------------------------------------


@inlined
def identity(eta: float) -> tuple[float, float]:
    """Mu = eta."""
    return eta, 1.0


@inlined
def exp(eta: float) -> tuple[float, float]:
    """Mu = exp(eta)."""
    mu = fast_exp(eta)
    return mu, mu


@inlined
def reciprocal(eta: float) -> tuple[float, float]:
    """Mu = 1 / eta."""
    return 1.0 / eta, -1.0 / (eta * eta)


@inlined
def square(eta: float) -> tuple[float, float]:
    """Mu = eta^2."""
    return eta * eta, 2.0 * eta


@inlined
def expit(eta: float) -> tuple[float, float]:
    """Mu of the logit."""
    e = fast_exp(-abs(eta))
    r = 1.0 / (1.0 + e)
    return (r if eta >= 0 else e * r), e * r * r


@inlined
def softplus(eta: float) -> tuple[float, float]:
    """Mu = log(1 + exp(eta))."""
    e = fast_exp(-abs(eta))
    r = 1.0 / (1.0 + e)
    return max(eta, 0.0) + math.log1p(e), (r if eta >= 0 else e * r)


@inlined
def inverse_root(eta: float) -> tuple[float, float]:
    """Mu = 1 / sqrt(eta), of the link 1/mu^2."""
    if eta <= 0.0:
        return math.nan, math.nan
    mu = 1.0 / math.sqrt(eta)
    return mu, -0.5 * mu / eta


@inlined
def cauchy_cdf(eta: float) -> tuple[float, float]:
    """Mu of the cauchit."""
    return math.atan2(1.0, -eta) / math.pi, 1.0 / (math.pi * (1.0 + eta * eta))


@inlined
def half_angle(eta: float) -> tuple[float, float]:
    """Return the angle whose half has the tangent eta, and its derivative."""
    return 2.0 * math.atan(eta), 2.0 / (1.0 + eta * eta)


@inlined
def loglog(eta: float) -> tuple[float, float]:
    """Mu = exp(-exp(-eta))."""
    rate = math.exp(min(-eta, 700.0))
    mu = math.exp(-rate)
    return mu, rate * mu


@inlined
def normal_cdf(eta: float) -> tuple[float, float]:
    """Mu of the probit."""
    return 0.5 * math.erfc(-eta * SQRT_HALF), INV_SQRT_2PI * math.exp(-0.5 * eta * eta)


@inlined
def cloglog(eta: float) -> tuple[float, float]:
    """Mu = 1 - exp(-exp(eta))."""
    rate = math.exp(min(eta, 700.0))
    return -math.expm1(-rate), rate * math.exp(-rate)


# families: (y, mu, first and second parameter) -> (log density, d/d mu, d/d first, d/d second) -----------------------


@inlined
def gaussian(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and sd."""
    z = (y - mu) / sigma
    return -0.5 * z * z - math.log(sigma), z / sigma, (z * z - 1.0) / sigma, 0.0


@inlined
def student(y: float, mu: float, sigma: float, nu: float) -> tuple[float, float, float, float]:
    """Centre, scale and degrees of freedom."""
    z = (y - mu) / sigma
    t = z * z / nu
    log_t = math.log1p(t)
    constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu) - math.log(sigma)
    pull = (nu + 1.0) / (nu * (1.0 + t))
    d_nu = 0.5 * (digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu) - 1.0 / nu - log_t + pull * z * z / nu)
    return constant - 0.5 * (nu + 1.0) * log_t, pull * z / sigma, (pull * z * z - 1.0) / sigma, d_nu


@inlined
def log_rising(phi: float, y: float) -> tuple[float, float]:
    """Return log gamma(y + phi) - log gamma(phi) and its derivative in phi <= 1e5; small counts as a product."""
    if y > 32.0:
        return math.lgamma(y + phi) - math.lgamma(phi), digamma(y + phi) - digamma(phi)
    product, d_product = 1.0, 0.0
    for i in range(int(y)):
        d_product = d_product * (phi + i) + product
        product *= phi + i
    return math.log(product), d_product / product


@inlined
def negativebinomial(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape: variance mu + mu^2 / phi."""
    if mu < 0.0:
        return math.nan, math.nan, math.nan, math.nan
    total = mu + phi
    log_ratio = -math.log1p(mu / phi)
    slope = y / mu - (y + phi) / total
    if phi > 1e5:
        # differences of log gammas and digammas by Stirling's series: no digits cancel on the way to a Poisson
        near, shift = math.log1p(y / phi), 1.0 / (y + phi) - 1.0 / phi
        value = (phi - 0.5) * near - y + phi * log_ratio + shift / 12.0
        d_phi = near - 0.5 * shift - shift * (1.0 / (y + phi) + 1.0 / phi) / 12.0 + log_ratio + (mu - y) / total
        if y > 0:
            value += y * (math.log(mu) + math.log1p((y - mu) / total))
        return value, slope, d_phi, 0.0
    rising, d_rising = log_rising(phi, y)
    value = rising + phi * log_ratio
    d_phi = d_rising + log_ratio + (mu - y) / total
    if y > 0:
        value += y * (math.log(mu) - math.log(total))
    return value, slope, d_phi, 0.0


@inlined
def gamma(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    ratio = y / mu
    log_ratio = math.log(ratio)
    log_phi = math.log(phi)
    value = phi * (log_phi + log_ratio - ratio) - math.lgamma(phi)
    return value, phi * (ratio - 1.0) / mu, log_phi + 1.0 + log_ratio - ratio - digamma(phi), 0.0


@inlined
def lognormal(y: float, mu: float, sigma: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and sd of the log."""
    return gaussian(math.log(y), mu, sigma, unused)


@inlined
def beta(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and precision."""
    a, b = mu * phi, (1.0 - mu) * phi
    log_y, log_1y = math.log(y), math.log1p(-y)
    da, db = log_y - digamma(a), log_1y - digamma(b)
    value = math.lgamma(phi) - math.lgamma(a) - math.lgamma(b) + a * log_y + b * log_1y
    return value, phi * (da - db), digamma(phi) + mu * da + (1.0 - mu) * db, 0.0


@inlined
def poisson(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean."""
    if mu <= 0.0:
        return -math.inf, math.nan, 0.0, 0.0
    return (y * math.log(mu) if y > 0 else 0.0) - mu, y / mu - 1.0, 0.0, 0.0


@inlined
def geometric(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean of failures before the first success."""
    value = -(y + 1.0) * math.log1p(mu)
    if y > 0:
        value += y * math.log(mu)
    return value, y / mu - (y + 1.0) / (1.0 + mu), 0.0, 0.0


@inlined
def rising(x: float, k: float) -> tuple[float, float]:
    """Return log gamma(x + k) - log gamma(x) and its derivative in x, whatever x > 0."""
    if x <= 1e5:
        return log_rising(x, k)
    near, shift = math.log1p(k / x), 1.0 / (x + k) - 1.0 / x
    slope = near - 0.5 * shift - shift * (1.0 / (x + k) + 1.0 / x) / 12.0
    return (x - 0.5) * near + k * (math.log(x + k) - 1.0) + shift / 12.0, slope


@inlined
def negativebinomial1(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and overdispersion: variance mu (1 + phi)."""
    shape, log_total = mu / phi, math.log1p(phi)
    value, slope = rising(shape, y)
    slope = (slope - log_total) / phi
    value += y * (math.log(phi) - log_total) - shape * log_total
    return value, slope, (y - mu) / (phi * (1.0 + phi)) - shape * slope, 0.0


@inlined
def generalizedpoisson(y: float, mu: float, phi: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and dispersion above 1: variance phi mu."""
    root = math.sqrt(phi)
    theta, share = mu / root, 1.0 - 1.0 / root
    total = theta + share * y
    value = math.log(theta) + (y - 1.0) * math.log(total) - total
    d_theta = 1.0 / theta + (y - 1.0) / total - 1.0
    d_share = (y - 1.0) * y / total - y
    return value, d_theta / root, 0.5 * (d_share - d_theta * mu) / (phi * root), 0.0


@inlined
def exponential(y: float, mu: float, unused: float, unused_too: float) -> tuple[float, float, float, float]:
    """Mean."""
    ratio = y / mu
    return -math.log(mu) - ratio, (ratio - 1.0) / mu, 0.0, 0.0


@inlined
def weibull(y: float, mu: float, shape: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape."""
    along = math.log(y / mu) + math.lgamma(1.0 + 1.0 / shape)
    hazard = math.exp(shape * along)
    d_shape = 1.0 / shape + (1.0 - hazard) * (along - digamma(1.0 + 1.0 / shape) / shape)
    return math.log(shape) + shape * along - hazard, shape * (hazard - 1.0) / mu, d_shape, 0.0


@inlined
def inversegaussian(y: float, mu: float, shape: float, unused: float) -> tuple[float, float, float, float]:
    """Mean and shape: variance mu^3 / shape."""
    if mu <= 0.0:
        return -math.inf, math.nan, math.nan, 0.0
    apart = (y - mu) / mu
    half = 0.5 * apart * apart / y
    return 0.5 * math.log(shape) - shape * half, shape * apart / (mu * mu), 0.5 / shape - half, 0.0


@inlined
def skewnormal(y: float, mu: float, sigma: float, alpha: float) -> tuple[float, float, float, float]:
    """Mean, sd and skewness parameter."""
    root = math.sqrt(1.0 + alpha * alpha)
    middle, d_middle = SQRT_2_OVER_PI * alpha / root, SQRT_2_OVER_PI / (root * root * root)
    left = 1.0 - middle * middle
    scale = sigma / math.sqrt(left)
    apart = (y - mu) / scale
    z = apart + middle
    log_cdf, ratio = log_normal_cdf(alpha * z)
    d_z = alpha * ratio - z
    d_alpha = ratio * z + d_middle * (d_z - (1.0 + d_z * apart) * middle / left)
    return log_cdf - 0.5 * z * z - math.log(scale), -d_z / scale, -(1.0 + d_z * apart) / sigma, d_alpha


@inlined
def exgaussian(y: float, mu: float, sigma: float, tau: float) -> tuple[float, float, float, float]:
    """Mean, sd of the normal part, mean of the exponential part."""
    apart, ratio = y - mu + tau, sigma / tau
    log_cdf, mills = log_normal_cdf(apart / sigma - ratio)
    d_apart = mills / sigma - 1.0 / tau
    value = log_cdf + 0.5 * ratio * ratio - apart / tau - math.log(tau)
    d_sigma = ratio / tau - mills * (apart / (sigma * sigma) + 1.0 / tau)
    return value, -d_apart, d_sigma, d_apart + (apart / tau - 1.0 - ratio * ratio + mills * ratio) / tau


@inlined
def tweedie(y: float, mu: float, phi: float, power: float) -> tuple[float, float, float, float]:
    """Mean, dispersion and power of the mean that the variance is proportional to: a Poisson number of gammas."""
    if mu <= 0.0:
        return -math.inf, math.nan, math.nan, math.nan
    one, two, log_mu = power - 1.0, 2.0 - power, math.log(mu)
    shape, number = two / one, math.exp(two * log_mu) / (phi * two)
    d_mu, d_number = (y - mu) / (phi * math.exp(power * log_mu)), number * (1.0 / two - log_mu)
    if y <= 0.0:
        return -number, d_mu, number / phi, -d_number
    rate, log_y = math.exp(-one * log_mu) / (phi * one), math.log(y)
    log_z = shape * (log_y - math.log(one)) - (1.0 + shape) * math.log(phi) - math.log(two)
    middle = math.exp(two * log_y) / (phi * two)
    # far from one summand terms vary as a normal density does: some of them are as good as all
    sd = math.sqrt(middle / (1.0 + shape))
    step = max(math.floor(0.6 * sd), 1.0) if middle > 9.0 * sd else 1.0
    peak = max(math.floor(middle + 0.5), 1.0)
    largest = peak * log_z - math.lgamma(peak + 1.0) - math.lgamma(peak * shape)
    total, counts, pulls = 1.0, peak, peak * digamma(peak * shape)
    for side in range(2):
        k = peak
        while True:
            k += step if side == 0 else -step
            if k < 1.0:
                break
            term = k * log_z - math.lgamma(k + 1.0) - math.lgamma(k * shape) - largest
            weight = math.exp(term)
            total += weight
            counts += weight * k
            pulls += weight * k * digamma(k * shape)
            if not term > -37.0:
                break
    count, pull = counts / total, pulls / total
    value = largest + math.log(total * step) - number - y * rate
    d_phi = (number + y * rate - (1.0 + shape) * count) / phi
    d_log_z = 1.0 / two - shape / one - (log_y - math.log(one) - math.log(phi)) / (one * one)
    d_power = y * rate * (1.0 / one + log_mu) - d_number + count * d_log_z + pull / (one * one)
    return value, d_mu, d_phi, d_power


@as_written
def log_bessel(x: float) -> tuple[float, float]:
    """Return log I0(x) - x and I1(x) / I0(x) of x >= 0: power series up to 25, asymptotic series beyond."""
    if x < 25.0:
        quarter, term, zero, one = 0.25 * x * x, 1.0, 1.0, 1.0
        for k in range(1, 60):
            term *= quarter / (k * k)
            zero += term
            one += term / (k + 1.0)
        return math.log(zero) - x, 0.5 * x * one / zero
    term, other, zero, one = 1.0, 1.0, 1.0, 1.0
    for k in range(1, 25):
        odd = (2.0 * k - 1.0) * (2.0 * k - 1.0)
        term *= odd / (8.0 * k * x)
        other *= (odd - 4.0) / (8.0 * k * x)
        zero += term
        one += other
    return math.log(zero) - 0.5 * math.log(2.0 * math.pi * x), one / zero


@inlined
def vonmises(y: float, mu: float, kappa: float, unused: float) -> tuple[float, float, float, float]:
    """Angles about the direction mu, concentrated by kappa."""
    value, ratio = log_bessel(kappa)
    half = math.sin(0.5 * (y - mu))
    # kappa (cos - 1) without cancellation where kappa is large
    far = -2.0 * half * half
    return kappa * far - value, kappa * math.sin(y - mu), far + 1.0 - ratio, 0.0
