"""A PyMC model read in the engine's coordinates: which element of x each of PyMC's unconstrained values is.

Input: the centred PyMC model of a packed model. Output: index and factor of every element, so that
``values = factor * x[index]`` (PyMC takes the log of a variance or precision where a prior is stated on one), or the
hyperbolic sine of x[index] for elements of a correlation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.design.design import Design
from bayes_glmm.design.multivariate import MultivariateDesign
from bayes_glmm.design.reduction import reduce_rows
from bayes_glmm.engine import data as layout
from bayes_glmm.engine.compose import TRIALS
from bayes_glmm.engine.pack import Packed
from bayes_glmm.engine.parameters import CORRELATION, KIND
from bayes_glmm.engine.pointers import ROWS_SIGNATURE, carray
from bayes_glmm.engine.vectors import copy
from bayes_glmm.families import FAMILIES
from bayes_glmm.model.naming import AT_DATA, random_variable_name
from bayes_glmm.model.prior_table import ParameterPrior, PriorTable
from bayes_glmm.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    import pymc as pm


def reduced_rows_model(spec: ModelSpec, design: Design) -> tuple[ModelSpec, Design]:
    """Return the same posterior on fewer rows: 0/1 rows as binomial ones, counts with their exposure as an offset.

    Parameters
    ----------
    spec, design
        The model.

    Returns
    -------
    spec, design
        For sampling only: the rows are no longer the user's. Predictors stay centred by the means of the user's rows.
    """
    reduced = reduce_rows(
        design, rows_add=spec.family.rows_add and (spec.family.support != "count" or spec.link.name == "log")
    )
    if not reduced.reduced or design.response is None:
        return spec, _rows_that_count(design)
    if spec.family.support == "binary":
        spec = replace(spec, family=FAMILIES["binomial"])
    offset = reduced.offset if reduced.exposure is None else reduced.offset + np.log(reduced.exposure)
    response = replace(design.response, y=reduced.y, trials=reduced.trials, weights=reduced.weights)
    rows = replace(
        design,
        X=reduced.X,
        offset=offset,
        offsets=design.offsets[:, reduced.rows],
        groups=reduced.groups,
        response=response,
        trials=reduced.trials,
    )
    return spec, _rows_that_count(rows)


def _rows_that_count(design: Design) -> Design:
    """Leave out rows of weight zero, whose means must not have to stay in the family's domain."""
    response = design.response
    if response is None or response.weights is None or not (0 < (response.weights > 0).sum() < len(response.weights)):
        return design
    kept = response.weights > 0
    trials = None if response.trials is None else response.trials[kept]
    precision = None if response.precision is None else response.precision[kept]
    known = {name: values[kept] for name, values in response.known.items()}
    return replace(
        design,
        X=design.X[kept],
        offset=design.offset[kept],
        offsets=design.offsets[:, kept],
        groups=tuple(replace(term, codes=term.codes[kept], Z=term.Z[kept]) for term in design.groups),
        response=replace(
            response,
            y=response.y[kept],
            trials=trials,
            weights=response.weights[kept],
            precision=precision,
            known=known,
        ),
        trials=trials,
        precision=precision,
        known=known,
    )


def graph_rows(spec: ModelSpec, n_parameters: int) -> Any:
    """Compile a row kernel from PyMC's own log density, for a family the engine has no rows for.

    Parameters
    ----------
    spec
        Family and link.
    n_parameters
        Number of the family's parameters, thresholds counted one by one.

    Returns
    -------
    numba.core.ccallback.CFunc
        Of `ROWS_SIGNATURE`. It must stay alive while its address is used; compiled for this process only.
    """
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt
    from numba import cfunc

    eta, y, counts, values = pt.dvector("eta"), pt.dvector("y"), pt.dvector("counts"), pt.dvector("parameters")
    # thresholds are the last of a family's parameters
    parameters = {row.name: values[i:] if row.ordered else values[i] for i, row in enumerate(spec.constants)}
    precise = spec.family.at_precision if spec.formula.response.precision is not None else None
    if precise is not None:  # whose rows count once or not at all
        parameters = precise(parameters, counts)
    y, trials, weights = _successes(spec, y, counts)
    distribution, arguments = spec.family.graph(eta, spec.link, parameters, trials)
    pointwise = pm.logp(distribution.dist(**arguments), y)
    each = pointwise if weights is None or precise is not None else weights * pointwise
    total = each.sum()
    slopes: Any = pt.grad(total, [eta, values], disconnected_inputs="ignore")
    inputs = [eta, y, counts, values]
    function = pytensor.function(inputs, [total, each, *slopes], mode="NUMBA", on_unused_input="ignore").vm.jit_fn

    def rows(n: int, eta_: Any, y_: Any, counts_: Any, par_: Any, v_: Any, d_: Any, d_par_: Any) -> float:
        par, d_total = carray(par_, (n_parameters,)), carray(d_par_, (n_parameters,))
        value, each, d_eta, d_par = function(carray(eta_, (n,)), carray(y_, (n,)), carray(counts_, (n,)), par)
        copy(each, carray(v_, (n,)))
        copy(d_eta, carray(d_, (n,)))
        for i in range(n_parameters):
            d_total[i] += d_par[i]
        return value.item()

    return cfunc(ROWS_SIGNATURE)(rows)


def _successes(spec: ModelSpec, y: Any, counts: Any) -> tuple[Any, Any, Any]:
    """Responses, trials and weights of rows as `likelihood_rows` lays them out, tensors."""
    if spec.family.support != "trials":
        return y, None, counts
    if spec.family.rows_add:
        return y, counts, None
    import pytensor.tensor as pt

    trials = pt.floor(y / TRIALS)
    return y - trials * TRIALS, trials, counts


Index = npt.NDArray[np.int64]
Factor = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GraphPositions:
    """Where PyMC's unconstrained values are in the engine's position.

    Parameters
    ----------
    index
        (D,) element of x behind each element of PyMC's flat point.
    factor
        (D,) what it is multiplied by.
    hyperbolic
        (D,) 1 where PyMC's value is the hyperbolic sine of the engine's (elements of a correlation), else 0.
    """

    index: Index
    factor: Factor
    hyperbolic: Index

    def values(self, x: Factor) -> Factor:
        """Return PyMC's flat point at a position.

        Parameters
        ----------
        x
            (D,) position.

        Returns
        -------
        numpy.ndarray
            (D,) unconstrained values in PyMC's order.
        """
        moved = x[self.index]
        return np.where(self.hyperbolic == 1, np.sinh(moved), self.factor * moved)

    def pull(self, x: Factor, value: float, gradient: Factor) -> tuple[float, Factor]:
        """Turn PyMC's log density and gradient into those of the position, up to a constant.

        Parameters
        ----------
        x
            (D,) position.
        value, gradient
            PyMC's log density and its gradient at `values(x)`.

        Returns
        -------
        value, gradient
            Of the density of x.
        """
        moved, bent = x[self.index], self.hyperbolic == 1
        scale = np.where(bent, np.cosh(moved), self.factor)
        out = np.zeros_like(x)
        np.add.at(out, self.index, gradient * scale + np.where(bent, np.tanh(moved), 0.0))
        return value + float(np.sum(np.log(np.cosh(moved[bent])))), out


def graph_positions(
    model: pm.Model, packed: Packed, design: Design | MultivariateDesign, priors: PriorTable
) -> GraphPositions:
    """Match PyMC's unconstrained values to the engine's position.

    Parameters
    ----------
    model
        ``build_model(..., parametrization="centered")``.
    packed
        The same model as the engine holds it.
    design, priors
        What both were made from.

    Returns
    -------
    GraphPositions
        In the order of ``model.value_vars``, each raveled.

    Raises
    ------
    KeyError
        If the graph holds a variable the engine does not know.
    """
    known = dict(_random_variables(packed, design, priors))
    parts = [known[model.values_to_rvs[value].name] for value in model.value_vars]
    index = np.concatenate([part[0] for part in parts])
    theta = np.concatenate(
        [np.zeros(len(packed.start) - len(packed.data.theta_table)), packed.data.theta_table[:, KIND]]
    )
    hyperbolic = (theta[index] == CORRELATION).astype(np.int64)
    return GraphPositions(index, np.concatenate([part[1] for part in parts]), hyperbolic)


def _random_variables(
    packed: Packed, design: Design | MultivariateDesign, priors: PriorTable
) -> Iterator[tuple[str, tuple[Index, Factor]]]:
    data = packed.data
    n_u, n_beta = int(data.sizes[layout.N_U]), int(data.sizes[layout.N_BETA])
    theta = n_u + n_beta
    # whichever of the names the graph has: coefficients are stated at the data or as reported
    for stated in ("", AT_DATA):
        yield from _vector(f"beta{stated}", priors.beta, n_u)
    for t, g in enumerate(packed.order):
        term, group = design.groups[g], priors.groups[g][1]
        first, k = theta + int(data.terms[layout.THETA_START, t]), len(term.coefs)
        u = int(data.terms[layout.U_START, t]) + np.arange(k * len(term.levels))
        own = "" if group.basis is None else AT_DATA
        yield from _vector(f"sd_{term.name}{own}", group.sd, first)
        yield f"b_{term.name}{own}", (u, np.ones(len(u)))
        position = first + k
        for i, block in enumerate(term.blocks):
            size = len(block)
            n_free = size * (size - 1) // 2
            if n_free:
                order = position + _rows_order(size)
                yield f"corr_{term.name}_cholesky_{i}", (order, np.ones(n_free))
            position += n_free
    n_auxiliary = int(data.sizes[layout.N_AUXILIARY])
    start = theta + int(data.sizes[layout.N_THETA]) - n_auxiliary
    for i, row in enumerate(priors.auxiliary):
        if row.ordered:
            thresholds = (start + np.arange(i, n_auxiliary), np.ones(n_auxiliary - i))
            yield row.parameter, thresholds
            yield f"{row.parameter}{AT_DATA}", thresholds
        else:
            yield _scalar(row.parameter, row, start + i)


def _scalar(name: str, row: ParameterPrior, position: int) -> tuple[str, tuple[Index, Factor]]:
    # two bounds: PyMC and the engine take the logit of the same quantity
    factor = 1.0 if row.prior.support == "interval" else row.power
    return random_variable_name(name, row), (np.array([position]), np.array([factor]))


def _vector(name: str, rows: Sequence[ParameterPrior], start: int) -> Iterator[tuple[str, tuple[Index, Factor]]]:
    if not rows:
        return
    parts = [_scalar(name, row, start + j)[1] for j, row in enumerate(rows)]
    together: tuple[Any, Any] = (np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))
    yield random_variable_name(name, rows[0]), together
    for j, row in enumerate(rows):
        yield _scalar(f"{name}_element{j}", row, start + j)


def _rows_order(size: int) -> Index:
    """Return, for each element of PyMC's vector, its place in the row-by-row order of the strict lower triangle."""
    from pymc.distributions.transforms import CholeskyCorrTransform

    n_free = size * (size - 1) // 2
    marks = np.arange(1.0, n_free + 1.0)
    lower = np.asarray(CholeskyCorrTransform(n=size, upper=False).backward(marks, size).eval())
    rows = [lower[c, j] / lower[c, c] for c in range(size) for j in range(c)]
    by_row = np.rint(rows).astype(np.int64) - 1
    order = np.empty(n_free, dtype=np.int64)
    order[by_row] = np.arange(n_free)
    return order
