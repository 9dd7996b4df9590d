"""`from_bambi` against Bambi: log densities at the same points, posteriors, and what is refused.

Points are drawn for Bambi's parameters and carried over by what the parameters do: coefficients by the linear predictor
they give, group effects by the columns they multiply. Nothing of the translation is used for that.
"""

from __future__ import annotations

import warnings

import arviz as az
import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.traversal import explicit_graph_inputs

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError

# The C linker compiles for ten seconds a model; Python's starts at once, but fused operations are in single precision.
MODE = Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace")
#: Bambi's own
PANDAS = "ignore:For backward compatibility, 'str' dtypes"
#: this package's name of a parameter of the likelihood by Bambi's
AUXILIARY = {"sigma": "sigma", "nu": "nu", "alpha": "phi", "kappa": "phi", "threshold": "thresholds"}


@pytest.fixture(autouse=True)
def reciprocal_in_double_precision(monkeypatch):
    """PyTensor's Python implementation of 1/x is ``np.float32(1.0) / x``; see tests/model/test_density.py."""
    monkeypatch.setattr("pytensor.scalar.basic.Reciprocal.impl", lambda self, x: 1.0 / x)
    monkeypatch.setattr(pt.reciprocal, "ufunc", None)


def odd_data() -> pd.DataFrame:
    """Sixty rows with levels, names and types that the two packages read by rules of their own."""
    rng, rows = np.random.default_rng(5), 60
    frame = pd.DataFrame(
        {
            "y": rng.normal(2.0, 3.0, rows),
            "x": rng.normal(3.0, 1.5, rows),
            "body mass": rng.gamma(4.0, 2.0, rows),
            "class": np.resize(["b", "a", "c", "a", "b"], rows),
            # neither in the order of the alphabet nor in that of the rows; one level has no row
            "dose": pd.Categorical(np.resize(["low", "high", "mid", "low"], rows), ["low", "mid", "high", "none"]),
            "rank": pd.Categorical(np.resize(["lo", "me", "hi"], rows), ["lo", "me", "hi"], ordered=True),
            "code": np.resize([10, 9, 101, 9, 9, 10, 101], rows),
            "flag": rng.integers(0, 2, rows) == 1,
            "g": np.resize(["u", "v", "w", "u", "t"], rows),
            "id": rng.integers(8, 12, rows),
            "n": 8 + rng.integers(0, 5, rows),
            "k": rng.integers(0, 8, rows),
            "said": np.resize(["yes", "no", "no"], rows),
            "positive": rng.gamma(3.0, 1.0, rows),
            "unit": rng.uniform(0.05, 0.95, rows),
            "w": rng.integers(1, 4, rows),
            "chain": rng.normal(size=rows),
        }
    )
    return frame.sample(frac=1.0, random_state=3)


ODD = odd_data()
HALF_T = {"sigma": bmb.Prior("HalfStudentT", nu=3, sigma=2)}
STATED = {
    "Intercept": bmb.Prior("Normal", mu=1, tau=0.25),
    "x": bmb.Prior("StudentT", nu=4, mu=0.5, sigma=2),
    "class": bmb.Prior("Normal", mu=[0.2, -0.4], sigma=[1.0, 3.0]),
    "1|g": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("Gamma", mu=2, sigma=1)),
    "x|g": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("Exponential", scale=0.5)),
    "sigma": bmb.Prior("HalfCauchy", beta=2),
}
INCREASING = bmb.Prior("Normal", mu=0, sigma=2, transform=pm.distributions.transforms.ordered)
#: formula, data (the odd one where None), further arguments of bambi.Model
CASES = [
    ("p(incidence, size) ~ period + (1|herd)", "cbpp", {"family": "binomial"}),
    ("p(incidence, 30) ~ period + (1|herd)", "cbpp", {"family": "binomial", "link": "probit"}),
    ("Reaction ~ Days + (Days|Subject)", "sleepstudy", {}),
    ("Reaction ~ scale(Days) + (0 + Days|Subject)", "sleepstudy", {"noncentered": False}),
    ("Reaction ~ bs(Days, df=4) + (poly(Days, 2)|Subject)", "sleepstudy", {"family": "t"}),
    ("angle ~ recipe * temp + (1|recipe:replicate)", "cake", {"center_predictors": False}),
    ("y ~ lbase*trt + lage + V4 + (1|subject)", "epil", {"family": "negativebinomial"}),
    ("Days ~ C(Eth, Treatment('N')) * Sex + S(Age) + offset(np.log(3))", "quine", {"family": "poisson"}),
    ("y ~ x*`class` + dose + (dose|g)", None, {}),
    ("y ~ 0 + dose*flag + C(code) + T(`class`, 'b') + (0 + rank|id) + (1|g:flag)", None, {}),
    ("y ~ S(`class`, 'a')*chain + I((x + 1) * 2) + {x * (`body mass` - 1)} + (x + flag|g)", None, {"family": "t"}),
    ("said ~ standardize(x) + chain + (1|g/id)", None, {"family": "bernoulli"}),
    ("said['yes'] ~ `class`:dose + (1|C(id))", None, {"family": "bernoulli", "link": "cloglog"}),
    ("flag ~ x + (rank|g)", None, {"family": "bernoulli"}),
    ("positive ~ log2(x + 9) + (1|g) + (0 + rank|g)", None, {"family": "gamma", "link": "log"}),
    ("positive ~ x + offset(w) + offset(chain)", None, {"family": "lognormal"}),
    ("unit ~ binary(dose, 'mid') + (1|id)", None, {"family": "beta"}),
    ("weighted(y, w) ~ x + (1|g)", None, {}),
    ("y ~ x + `class` + (x|g)", None, {"priors": STATED}),
    ("y ~ x + `class`", None, {"priors": {"common": bmb.Prior("Laplace", mu=0, b=2)} | HALF_T}),
    ("k ~ x", None, {"family": "negativebinomial", "auto_scale": False}),
    ("rank ~ x + (1|g)", None, {"family": "cumulative", "priors": {"threshold": INCREASING}}),
    ("y ~ 1", None, {}),
    ("y ~ 0 + (1|g)", None, {}),
]


def pair(formula, data, options):
    """The Bambi model and ours."""
    frame = ODD if data is None else bg.load_dataset(data)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The intercept is omitted in ordinal families")
        # Bambi's own, about pandas 4
        warnings.filterwarnings("ignore", "For backward compatibility, 'str' dtypes")
        warnings.filterwarnings("ignore", "Degrees of freedom nu are above 1", UserWarning)
        theirs = bmb.Model(formula, frame, **options)
        return theirs, bg.from_bambi(theirs)


def unconstrained(transform, value):
    """A parameter on the scale the model samples it on: written out, since PyTensor takes seconds to compile it."""
    match getattr(transform, "name", None):
        case None:
            return value
        case "log":
            return np.log(value)
        case "ordered":
            return np.concatenate([value[:1], np.log(np.diff(value))])
        case "interval":
            return np.log(value - 1.0)  # of nu, which is above one here
    raise AssertionError(transform)


def shape_of(model, rv):
    return tuple(len(model.coords[dim]) for dim in model.named_vars_to_dims.get(rv.name, ()))


def log_density(model):
    """The log density of a PyMC model as a function of its variables as they are, without Jacobians."""
    density = model.logp(jacobian=False)
    by_name = {model.rvs_to_values[rv].name: rv for rv in model.free_RVs}
    inputs = [one for one in explicit_graph_inputs(density) if one.name in by_name]
    logp = model.compile_fn(density, inputs=inputs, mode=MODE, point_fn=False)

    def at(values):
        arguments = []
        for rv in (by_name[one.name] for one in inputs):
            value = np.asarray(values[rv.name], dtype=float).reshape(shape_of(model, rv))
            arguments.append(unconstrained(model.rvs_to_transforms[rv], value))
        return float(logp(*arguments))

    return at


def bambi_values(model, rng):
    """Draw every free variable of a built Bambi model."""
    values = {}
    for rv in model.backend.model.free_RVs:
        draw = rng.normal(size=shape_of(model.backend.model, rv)) * 0.3
        positive = rv.name.endswith("_sigma") or rv.name in AUXILIARY
        values[rv.name] = np.sort(draw) if rv.name == "threshold" else np.exp(draw) + 1.0 if positive else draw
    return values


def our_values(theirs, ours, values):
    """The same point for our model."""
    parent = theirs.parameters[theirs.family.likelihood.parent]
    design, table = ours.design, ours.prior_table
    found = {AUXILIARY[name]: value for name, value in values.items() if name in AUXILIARY}
    if "threshold" in values and not table.centered:
        found["thresholds"] = values["threshold"]
    eta = np.zeros(len(design.offset))
    for name, term in parent.common_terms.items():
        columns = np.asarray(term.data, dtype=float).reshape(len(eta), -1)
        if parent.intercept_term is not None and theirs.center_predictors:
            columns = columns - columns.mean(axis=0)
        eta += columns @ np.reshape(values[name], -1)
    eta += values.get("Intercept", 0.0)
    if design.coefs:
        by_table = (design.X - table.means) @ table.basis
        coefs, *_ = np.linalg.lstsq(by_table, eta - (design.X - table.means) @ table.location)
        np.testing.assert_allclose(by_table @ coefs + (design.X - table.means) @ table.location, eta, atol=1e-9)
        found |= elements("beta", coefs) | elements("beta_centered", coefs)
    for group in design.groups:
        sds, effects = np.zeros(len(group.coefs)), np.zeros((group.size, len(group.coefs)))
        for name, term in parent.group_specific_terms.items():
            columns = np.asarray(term.predictor, dtype=float).reshape(len(eta), -1)
            offsets = values.get(f"{name}_offset", values.get(name)).reshape(len(term.groups), -1)
            for j, column in enumerate(columns.T):
                for i, ours_column in enumerate(group.Z.T):
                    pairs = {*zip(term.group_index, group.codes, strict=True)}
                    if np.allclose(column, ours_column) and len(pairs) == group.size == len({a for a, _ in pairs}):
                        sds[i] = np.reshape(values[f"{name}_sigma"], -1)[j]
                        for a, b in pairs:
                            effects[b, i] = offsets[a, j]
        assert np.all(sds > 0)
        found |= elements(f"sd_{group.name}", sds) | {f"z_{group.name}": effects, f"b_{group.name}": effects}
    return found


def elements(name, vector):
    return {name: vector} | {f"{name}_element{j}": value for j, value in enumerate(vector)}


@pytest.mark.parametrize(("formula", "data", "options"), CASES, ids=[case[0] for case in CASES])
def test_the_log_density_is_the_same_up_to_a_constant(formula, data, options):
    theirs, ours = pair(formula, data, options)
    theirs.build()
    model = ours.to_pymc("noncentered" if options.get("noncentered", True) else "centered")
    bambi, here, differences = log_density(theirs.backend.model), log_density(model), []
    for seed in range(4):
        values = bambi_values(theirs, np.random.default_rng(seed))
        differences.append(bambi(values) - here(our_values(theirs, ours, values)))
    # Bambi's probit divides by a square root of 2 that PyTensor's Python implementation has in single precision
    assert np.ptp(differences) < (1e-4 if options.get("link") == "probit" else 1e-8), differences


REFUSED = [
    (lambda: bmb.Model(bmb.Formula("y ~ x", "sigma ~ x"), ODD), ["a formula of sigma"]),
    (lambda: bmb.Model("y ~ hsgp(x, m=5, c=2)", ODD), [r"the Gaussian process hsgp\(x, m=5, c=2\)"]),
    (lambda: bmb.Model("truncated(y, lb=-20) ~ x", ODD), ["the truncated response"]),
    (lambda: bmb.Model("rank ~ x", ODD, family="sratio"), ["the family 'sratio', which is not translated"]),
    (lambda: bmb.Model("rank ~ x", ODD, family="cumulative"), ["a prior of its own for every threshold"]),
    (lambda: bmb.Model("positive ~ x", ODD, family="weibull"), ["the family 'weibull', which is not translated"]),
    (lambda: bmb.Model("flag ~ x", ODD, family="bernoulli", link="identity"), ["has no link 'identity'"]),
    (lambda: bmb.Model("y ~ x", ODD, priors={"sigma": 2.0}), ["sigma fixed at 2.0; here it is estimated"]),
    (lambda: bmb.Model("y ~ x", ODD, potentials=[("x", lambda x: -x)]), ["- potentials"]),
    (lambda: bmb.Model("y ~ x", ODD, family=own_family()), ["the family 'mine', which is one of your own"]),
    (
        # everything at once, each with its name
        lambda: bmb.Model(
            "y ~ x + chain + (x|g) + (1|id)",
            ODD,
            noncentered=False,
            priors={
                "x": bmb.Prior("SkewNormal", mu=0, sigma=1, alpha=2),
                "chain": bmb.Prior("Normal", dist=lambda name, **options: pm.Normal(name, **options)),
                "1|g": bmb.Prior("Laplace", mu=0, b=bmb.Prior("HalfNormal", sigma=1)),
                "x|g": bmb.Prior("Normal", mu=bmb.Prior("Normal"), sigma=bmb.Prior("HalfNormal", sigma=1)),
                "1|id": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("Normal", mu=0, sigma=1)),
            },
        ),
        [
            "the prior SkewNormal of x",
            "a prior of chain that is a function of your own",
            r"effects of 1\|g that are not normal",
            r"effects of x\|g with a mean of their own",
            r"a prior of the sd of 1\|id that reaches below zero",
        ],
    ),
    # Bambi gives x:class in a group two columns, though nothing holds the third
    (
        lambda: bmb.Model("y ~ x + (x:`class`|g)", ODD),
        [r"sd\[g\]\[x:class\[a\]\] .*Bambi gives these terms fewer"],
    ),
    (lambda: bmb.Model("y ~ np.clip(x, 0, 3)", ODD), ["np.clip is not allowed in formulas"]),
]


def own_family():
    likelihood = bmb.Likelihood("Normal", params=["mu", "sigma"], parent="mu")
    family = bmb.Family("mine", likelihood, {"mu": "identity"})
    family.set_default_priors({"sigma": bmb.Prior("HalfNormal", sigma=1)})
    return family


@pytest.mark.filterwarnings("ignore:The intercept is omitted in ordinal families", "ignore:invalid value", PANDAS)
@pytest.mark.parametrize(("make", "words"), REFUSED, ids=[words[0] for _, words in REFUSED])
def test_what_has_no_equal_is_named(make, words):
    theirs = make()
    for word in words:
        with pytest.raises(GLMMError, match=word):
            bg.from_bambi(theirs)


def test_what_is_no_bambi_model():
    for wrong, words in ((bg.GLMM("y ~ x", ODD), "a GLMM"), (None, "a NoneType"), (ODD, "a DataFrame")):
        with pytest.raises(GLMMError, match=f"takes a bambi.Model, not {words}"):
            bg.from_bambi(wrong)


@pytest.mark.filterwarnings(PANDAS)
def test_priors_of_this_package_instead():
    theirs = bmb.Model("Reaction ~ Days + (Days|Subject)", bg.load_dataset("sleepstudy"))
    ours, same = bg.from_bambi(theirs, priors="default"), bg.GLMM("Reaction ~ Days + (Days||Subject)", theirs.data)
    pd.testing.assert_frame_equal(ours.priors, same.priors)
    assert set(bg.from_bambi(theirs).priors["source"]) == {"user"}
    with pytest.raises(GLMMError, match="no priors='flat'. .*'bambi', 'default'"):
        bg.from_bambi(theirs, priors="flat")


@pytest.mark.filterwarnings(PANDAS, "ignore:1 of 60 rows were dropped")
def test_rows_with_missing_values_are_dropped_where_bambi_drops_them():
    frame = ODD.assign(x=ODD["x"].where(ODD["y"] < ODD["y"].max()))
    theirs = bmb.Model("y ~ x + dose", frame, dropna=True)
    before = theirs.data.copy()
    assert bg.from_bambi(theirs).design.dropped == 1
    pd.testing.assert_frame_equal(theirs.data, before)


@pytest.mark.filterwarnings(PANDAS)
def test_degrees_of_freedom_below_one_are_said_to_be_cut_off():
    theirs = bmb.Model("y ~ x", ODD, family="t")
    with pytest.warns(UserWarning, match=r"nu are above 1 here: of Bambi's prior Gamma\(alpha=2, beta=0.1\)"):
        bg.from_bambi(theirs)


@pytest.mark.filterwarnings(PANDAS)
def test_a_translated_model_is_saved_and_read(tmp_path):
    theirs = bmb.Model("said['yes'] ~ x*dose + (1|g)", ODD, family="bernoulli")
    fit = bg.from_bambi(theirs).fit(method="laplace", draws=20, random_seed=1, progressbar=False)
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    pd.testing.assert_frame_equal(again.model.priors, fit.model.priors)
    assert (
        not bg.predictions(again, bg.grid(again, dose=["low", "high"], x=[1.0, 2.0]), random_effects="typical")
        .isna()
        .any(axis=None)
    )


#: formula, data, options
FITS = [
    ("p(incidence, size) ~ period + (1|herd)", "cbpp", {"family": "binomial"}),
    ("Reaction ~ Days + (Days|Subject)", "sleepstudy", {}),
    ("y ~ lbase*trt + lage + V4 + (1|subject)", "epil", {"family": "negativebinomial"}),
    ("Days ~ Eth*Sex + (1|Age)", "quine", {"family": "negativebinomial"}),
    ("strength ~ 1 + (1|batch) + (1|batch:cask)", "Pastes", {}),
    ("y ~ ap*week + (1|ID)", "bacteria", {"family": "bernoulli"}),
    ("positive ~ log2(x + 9) + (1|g) + (0 + rank|g)", None, {"family": "gamma", "link": "log"}),
    ("y ~ x + `class` + (x|g)", None, {"priors": STATED}),
]


def reported(theirs, ours, fit):
    """Our draws (chain, draw, columns) by Bambi's names; columns are found by their numbers."""
    parent, posterior, design = theirs.parameters[theirs.family.likelihood.parent], fit.posterior, ours.design
    found = {name: np.asarray(posterior[AUXILIARY[name]]) for name in theirs.marginal_parameters}
    sides = [("beta", "", parent.common_terms, "data", design.X)]
    for group in design.groups:
        terms = {name: term for name, term in parent.group_specific_terms.items() if name.split("|")[1] == group.name}
        sides.append((f"sd_{group.name}", "_sigma", terms, "predictor", group.Z))
    for variable, ending, terms, attribute, here in sides:
        draws = np.asarray(posterior[variable])
        for name, term in terms.items():
            columns = np.asarray(getattr(term, attribute), dtype=float).reshape(len(design.offset), -1)
            places = [next(i for i, one in enumerate(here.T) if np.allclose(one, column)) for column in columns.T]
            found[f"{name}{ending}"] = draws[..., places]
    if parent.intercept_term:
        found["Intercept"] = np.asarray(posterior["beta"].sel(coef="Intercept"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("formula", "data", "options"), FITS, ids=[case[0] for case in FITS])
def test_posteriors_agree_within_monte_carlo_error(formula, data, options):
    theirs, ours = pair(formula, data, options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Bambi's and its sampler's own
        tree = theirs.fit(draws=2000, chains=4, inference_method="nutpie", random_seed=2, nuts={"target_accept": 0.95})
    fit = ours.fit(draws=2000, random_seed=1, progressbar=False)
    compared = 0
    for name, draws in reported(theirs, ours, fit).items():
        other = np.asarray(tree.posterior[name]).reshape(4, 2000, -1)
        here = draws.reshape(*draws.shape[:2], -1)
        for j in range(other.shape[-1]):
            a, b = here[..., j], other[..., j]
            ess = np.array([az.ess(one, method="mean") for one in (a, b)])
            ess_sd = np.array([az.ess(one, method="sd") for one in (a, b)])
            sds = np.array([a.std(), b.std()])
            error = np.sqrt(np.sum(sds**2 / ess))
            assert abs(a.mean() - b.mean()) < 4.5 * error, (name, j, a.mean(), b.mean(), error)
            # of a sd, for tails up to those of a Student t with seven degrees of freedom
            spread = np.sqrt(np.sum(sds**2 / ess_sd))
            assert abs(sds[0] - sds[1]) < 4.5 * spread, (name, j, sds, spread)
            compared += 1
    assert compared >= 2
