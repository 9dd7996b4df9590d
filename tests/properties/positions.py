"""Positions of the engine by name, so that models whose arrays are laid out differently can be compared.

A label is ("u", group, level, coefficient), ("beta", coefficient), ("sd", group, coefficient), ("corr", group, one,
other) or the name of a family's parameter with its number.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bayes_glmm.design.design import build_design
from bayes_glmm.engine.coverage import why_not_covered
from bayes_glmm.engine.pack import pack
from bayes_glmm.errors import DataWarning
from bayes_glmm.model.autoscale import resolve_priors
from bayes_glmm.spec.model_spec import ModelSpec
from tests.engine.models import BOUNDED, Case

Label = tuple[Any, ...]
Values = Mapping[Label, float]

RTOL = 1e-9


def build(formula: str, data: Any, family: str = "gaussian", link: str | None = None, **options: Any) -> Case:
    """Build a model that the kernel covers; what is suspicious about random data is no matter here."""
    spec = ModelSpec.build(formula, family=family, link=link, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        design = build_design(spec, data)
    spec = design.spec  # with the categories that the data have
    priors = resolve_priors(spec, design)
    assert why_not_covered(spec, design, priors) is None
    return Case(spec, design, priors, pack(spec, design, priors))


def labels(case: Case) -> list[Label]:
    """Name the elements of a position [u, beta, theta]."""
    terms = [case.design.groups[g] for g in case.packed.order]
    names: list[Label] = [
        ("u", term.name, level, coef) for term in terms for level in term.levels for coef in term.coefs
    ]
    names += [("beta", coef) for coef in case.design.coefs]
    for term in terms:
        names += [("sd", term.name, coef) for coef in term.coefs]
        block_of = {c: block for block in term.blocks for c in block}
        names += [
            ("corr", term.name, term.coefs[other], term.coefs[c])
            for c in range(len(term.coefs))
            for other in block_of[c]
            if other < c
        ]
    for row in case.priors.auxiliary:
        size = len(case.design.response.categories) - 1 if row.ordered else 1
        names += [(row.parameter, i) for i in range(size)]
    assert len(names) == len(case.packed.start)
    return names


def positions(case: Case, rounds: int = 3, seed: int = 5) -> list[dict[Label, float]]:
    """Return positions near the start of the Laplace fit, by label; near enough for means that must be positive."""
    rng = np.random.default_rng(seed)
    spread = 0.02 if case.spec.link.name in BOUNDED else 0.3
    start = case.packed.start
    return [dict(zip(labels(case), start + spread * rng.normal(size=len(start)), strict=True)) for _ in range(rounds)]


def density(case: Case, values: Values) -> tuple[float, dict[Label, float]]:
    """Return the log density at a position given by label, and its gradient by label."""
    names = labels(case)
    value, gradient = case.density(np.array([values[name] for name in names]))
    return value, dict(zip(names, gradient, strict=True))


def same(label: Label) -> Label:
    return label


def compare(
    one: Case,
    other: Case,
    *,
    rename: Callable[[Label], Label] = same,
    move: Callable[[Label, float], float] = lambda label, value: value,
    slope: Callable[[Label], float] = lambda label: 1.0,
    up_to_constant: bool = False,
    everywhere: bool = True,
) -> None:
    """Check that two models have the same log density and gradient at positions that `rename` and `move` pair.

    `slope` is what d value / d (other's value) of a label is: gradients are multiplied by it. Where not `everywhere`,
    both may say that there is no density.
    """
    differences, sizes = [], [1.0]
    for values in positions(one):
        ours, gradient = density(one, values)
        moved = {rename(label): move(label, value) for label, value in values.items()}
        theirs, other_gradient = density(other, moved)
        if not (everywhere or np.isfinite(ours) or np.isfinite(theirs)):
            continue
        assert np.isfinite(ours) and np.isfinite(theirs)
        differences.append(theirs - ours)
        sizes += [abs(ours), abs(theirs)]
        expected = np.array([slope(label) * gradient[label] for label in values])
        found = np.array([other_gradient[rename(label)] for label in values])
        np.testing.assert_allclose(found, expected, rtol=RTOL, atol=RTOL * np.abs(expected).max())
    centre = differences[0] if up_to_constant else 0.0
    np.testing.assert_allclose(differences, centre, rtol=0, atol=RTOL * max(sizes))


def assert_identical(one: Case, other: Case) -> None:
    """Check that two models are the same to the last bit, default priors and start of the fit included."""
    for name, array in one.packed.data._asdict().items():
        np.testing.assert_array_equal(array, getattr(other.packed.data, name), err_msg=name)
    np.testing.assert_array_equal(one.packed.start, other.packed.start)
    for name in ("basis", "location", "means"):
        np.testing.assert_array_equal(getattr(one.priors, name), getattr(other.priors, name), err_msg=name)
    assert list(one.priors) == list(other.priors)
    assert labels(one) == labels(other)
