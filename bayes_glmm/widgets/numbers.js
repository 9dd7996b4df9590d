// What the widgets compute: links, averages over normal effects, normal draws from a seed, and numbers as text.

/** Sum of f(z) phi(z) dz by the trapezoidal rule, on a grid of `step` around `centre`. */
function normalMean(f, step, centre, halfWidth) {
  const count = Math.ceil(halfWidth / step);
  let total = 0;
  for (let i = -count; i <= count; i++) {
    const z = centre + i * step;
    total += Math.exp(-0.5 * z * z) * f(z);
  }
  return (total * step) / Math.sqrt(2 * Math.PI);
}

// The error falls like exp(-2 pi d / (sd step)), d the width of the strip around the real line in which the integrand
// stays small: pi for the logistic, pi / 2 for the cloglog.
const stepFor = (sd) => Math.min(0.6, 0.4 / sd);
const average = (f, eta, sd) => normalMean((z) => f(eta + sd * z), stepFor(sd), 0, 9 + sd);

const logistic = (x) => 1 / (1 + Math.exp(-x));

/** Standard normal distribution function: a series in the middle, a continued fraction in the tails. */
export function normalCdf(x) {
  const density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) < 3) {
    let term = x;
    let sum = x;
    for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
      term *= (x * x) / k;
      sum += term;
    }
    return 0.5 + density * sum;
  }
  const a = Math.abs(x);
  let fraction = a;
  for (let k = 60; k > 0; k--) fraction = a + k / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}

/** log E[exp(-exp(eta + sd Z))]: the grid is put where the integrand is, far out for large eta. */
function logMissed(eta, sd) {
  if (sd === 0) return -Math.exp(eta);
  let low = -40 - Math.abs(eta) / sd;
  let high = 0; // the exponent -exp(eta + sd z) - z^2 / 2 has its peak between
  for (let i = 0; i < 60; i++) {
    const z = (low + high) / 2;
    if (sd * Math.exp(eta + sd * z) + z > 0) high = z;
    else low = z;
  }
  const peak = (low + high) / 2;
  const exponent = (z) => -Math.exp(eta + sd * z) - 0.5 * z * z;
  const top = exponent(peak);
  const step = Math.min(stepFor(sd), 0.5 / Math.sqrt(1 - sd * peak)); // as narrow as the peak
  let total = 0;
  for (let i = -Math.ceil(9 / step); i * step <= 9 + sd; i++) total += Math.exp(exponent(peak + i * step) - top);
  return top + Math.log((total * step) / Math.sqrt(2 * Math.PI));
}

/**
 * For each link: `inverse(eta)`, the mean in one group; `average(eta, sd)`, the mean over groups whose effects are
 * N(0, sd^2); `linked(eta, sd)`, the link of that average. The last keeps its digits where a mean is near 0 or 1.
 */
export const LINKS = {
  logit: {
    inverse: logistic,
    average: (eta, sd) => (sd === 0 ? logistic(eta) : average(logistic, eta, sd)),
    linked: (eta, sd) =>
      sd === 0 ? eta : Math.log(average(logistic, eta, sd)) - Math.log(average(logistic, -eta, sd)),
    ceiling: 1,
  },
  probit: {
    inverse: normalCdf,
    average: (eta, sd) => normalCdf(eta / Math.sqrt(1 + sd * sd)),
    linked: (eta, sd) => eta / Math.sqrt(1 + sd * sd),
    ceiling: 1,
  },
  cloglog: {
    inverse: (eta) => -Math.expm1(-Math.exp(eta)),
    average: (eta, sd) =>
      sd === 0 ? -Math.expm1(-Math.exp(eta)) : average((x) => -Math.expm1(-Math.exp(x)), eta, sd),
    linked: (eta, sd) => {
      if (sd === 0) return eta;
      const rare = average((x) => -Math.expm1(-Math.exp(x)), eta, sd);
      return Math.log(rare < 0.5 ? -Math.log1p(-rare) : -logMissed(eta, sd));
    },
    ceiling: 1,
  },
  log: {
    inverse: Math.exp,
    average: (eta, sd) => Math.exp(eta + (sd * sd) / 2),
    linked: (eta, sd) => eta + (sd * sd) / 2,
    ceiling: Infinity,
  },
};

/** `count` standard normal draws, the same for the same seed (mulberry32, then Box and Muller's transform). */
export function normalDraws(seed, count) {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  const draws = [];
  while (draws.length < count) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    draws.push(radius * Math.cos(angle), radius * Math.sin(angle));
  }
  return draws.slice(0, count);
}

/** A number as people write it: three digits that count, never 1e+3 for a thousand, a true minus sign. */
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "undefined";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(digits - 1) : plain(value, digits);
  return text.replaceAll("-", "−");
}

const plain = (value, digits) =>
  Math.abs(value) >= 10 ** (digits - 1) ? value.toFixed(0) : String(Number(value.toPrecision(digits)));

/** A share in per cent: "12.3 %", with a blank at which no line breaks. */
export const percent = (share) => `${share > 0.999 && share < 1 ? "over 99.9" : short(100 * share)}\u00a0%`;

/** Round numbers from `low` to `high`, about `count` of them. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((size) => size * power >= rough * (1 - 1e-9));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
