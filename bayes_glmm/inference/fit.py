"""A fitted model: the model and an `xarray.DataTree` that ArviZ's functions take as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from inspect import isroutine
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import in_words
from bayes_glmm.design.design import Design
from bayes_glmm.design.frame import numbers
from bayes_glmm.errors import PredictionError
from bayes_glmm.families import DISCRETE
from bayes_glmm.inference.settings import Sampled
from bayes_glmm.model.naming import observed_name
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.model_spec import ModelSpec


class Model(Protocol):
    """What a fit needs to know of its model."""

    @property
    def spec(self) -> ModelSpec:
        """What the user stated."""

    @property
    def design(self) -> Design:
        """What the data became."""

    @property
    def prior_table(self) -> PriorTable:
        """The prior of every parameter."""


class AnyFit(Protocol):
    """A fit of one response or of several: what a judgement of its draws reads."""

    @property
    def model(self) -> Any:
        """The model, whose design has grouping factors."""

    @property
    def dt(self) -> xr.DataTree:
        """Draws and data."""

    @property
    def posterior(self) -> xr.Dataset:
        """The draws."""

    @property
    def attrs(self) -> Mapping[str, Any]:
        """How the draws were made."""

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped."""

    @property
    def approximate(self) -> bool:
        """Whether the draws come from an approximation."""


class WithDraws:
    """What a tree of draws says, of one response or of several."""

    dt: xr.DataTree

    @property
    def posterior(self) -> xr.Dataset:
        """The draws: ``beta``, ``sd_<group>``, ``corr_<group>``, ``b_<group>``, the family's auxiliary parameters."""
        return self.dt["posterior"].to_dataset()

    @property
    def attrs(self) -> Mapping[str, Any]:
        """How the draws were made: method, backend, reason, interrupted, seconds."""
        return {str(key): value for key, value in self.dt.attrs.items()}

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped sampling; the draws are those made until then."""
        return bool(self.dt.attrs["interrupted"])

    @property
    def approximate(self) -> bool:
        """Whether the draws come from an approximation to the posterior rather than from NUTS."""
        return self.dt.attrs["method"] != "nuts"


@dataclass(frozen=True, eq=False)
class Fit(WithDraws):
    """The posterior of a model.

    Parameters
    ----------
    model
        The model that was fitted.
    dt
        Groups posterior, sample_stats, observed_data and constant_data, and what was added; dims chain, draw, obs,
        coef, <group>, <group>_coef. Its ``attrs`` record sampler, backend, method and settings.
    """

    model: Model
    dt: xr.DataTree

    @property
    def parts(self) -> tuple[Fit, ...]:
        """The fits whose draws are mixed in this one: itself, unless it is of several data sets."""
        return (self,)


def check_fit(fit: Any, *, frames: bool = False) -> None:
    """Refuse anything else where a fit is meant.

    Parameters
    ----------
    fit
        What the user gave.
    frames
        Whether a fit of several data sets has an answer; otherwise it is refused.

    Raises
    ------
    PredictionError
        If it is no fit; the message says how to come by one. Or if it is of several data sets and the question is about
        the rows of one.
    """
    if isinstance(fit, Fit):
        if len(fit.parts) > 1 and not frames:
            raise PredictionError(
                f"This is about the rows of one data set, and the fit mixes {len(fit.parts)} whose rows differ. Ask it "
                "of each of fit.fits, which are fits of one data set each."
            )
        return
    if responses := _responses(fit):
        raise PredictionError(
            f"The fit has several responses, {', '.join(responses)}. Give the fit of one, fit[{responses[0]!r}]."
        )
    hint = ""
    if isroutine(fit):
        hint = ": call it, fit = model.fit()"
    elif isinstance(fit, xr.DataTree | xr.Dataset | xr.DataArray):
        hint = ": give the fit itself, not its draws"
    elif _is_model(fit):
        hint = ", which is not fitted yet: fit = model.fit()"
    raise PredictionError(f"The first argument must be a fit, as GLMM(...).fit() returns, not {in_words(fit)}{hint}.")


def check_whole(fit: Fit, what: str) -> None:
    """Refuse a fit of one response among several where all of them are needed.

    Parameters
    ----------
    fit
        A fit.
    what
        What needs them, for the message.

    Raises
    ------
    PredictionError
        If it is one response of several.
    """
    if (whole := getattr(fit, "whole", None)) is not None:
        names = ", ".join(whole.responses)
        raise PredictionError(
            f"{what} is about the model of all responses, {names}, and this is the fit of one of them. {_INSTEAD[what]}"
        )


_INSTEAD = {
    "loo": "Leave rows out with all their responses: whole.kfold(response='y1'), whole the fit of all.",
    "kfold": "Leave rows out with all their responses: whole.kfold(response='y1'), whole the fit of all.",
    "prior_sensitivity(refits=True)": "Without refits it needs this one alone.",
    "save": "Save the whole fit; bg.load(path)['<response>'] is this one.",
    "update": "Make a new bg.GLMM([...]) of all responses, or bg.GLMM of this one.",
    "extend": "posterior_predictive and log_likelihood are functions of this fit: bg.posterior_predictive(fit).",
}


def _responses(value: Any) -> tuple[str, ...]:
    """Return the names of the responses of a fit or a model of several; nothing of anything else."""
    return tuple(value.responses) if isinstance(getattr(type(value), "responses", None), property) else ()


def check_model(model: Any) -> None:
    """Refuse anything else where a model is meant.

    Parameters
    ----------
    model
        What the user gave.

    Raises
    ------
    PredictionError
        If it is no model; the message says how to come by one.
    """
    if responses := _responses(model):
        raise PredictionError(
            f"The model has several responses, {', '.join(responses)}. Give the model of one, model[{responses[0]!r}]."
        )
    if not _is_model(model):
        hint = ": give fit.model" if isinstance(model, Fit) else ""
        raise PredictionError(f"This takes a model, GLMM(formula, data), not {in_words(model)}{hint}.")


def _is_model(value: Any) -> bool:
    return not isinstance(value, type) and all(hasattr(value, name) for name in ("spec", "design", "prior_table"))


def assemble_tree(spec: ModelSpec, design: Design, sampled: Sampled, attrs: Mapping[str, Any]) -> xr.DataTree:
    """Put draws and data into the tree ArviZ reads.

    Parameters
    ----------
    spec, design
        The model.
    sampled
        The draws.
    attrs
        What is recorded of the run; flags and numbers only, so that the tree can be saved.

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, observed_data (whole numbers are integers) and constant_data: the predictors
        that are numbers, offset, trials, weights and precision, and what is known of rows (``se``).
    """
    response = design.response
    assert response is not None
    obs = row_labels(design.index)
    name = observed_name(design, [str(v) for v in sampled.posterior.data_vars])
    y = response.y.astype(np.int64) if spec.family.support in DISCRETE else response.y
    observed = xr.Dataset({name: ("obs", y)}, coords={"obs": obs})
    constant: dict[str, Any] = {"offset": ("obs", design.offset)}
    if response.trials is not None:
        constant["trials"] = ("obs", response.trials)
    if response.weights is not None:
        constant["weights"] = ("obs", response.weights)
    if response.precision is not None:
        constant["precision"] = ("obs", response.precision)
    constant |= {name: ("obs", values) for name, values in response.known.items()}
    constant = _numbers(spec, design, [*constant, "obs"]) | constant
    tree = xr.DataTree.from_dict(
        {
            "posterior": unit_diagonals(sampled.posterior, [f"corr_{term.name}" for term in design.groups]),
            "sample_stats": sampled.sample_stats,
            "observed_data": observed,
            "constant_data": xr.Dataset(constant, coords={"obs": obs}),
        }
    )
    tree.attrs = {"interrupted": int(sampled.interrupted), **attrs, **sampled.details}
    return tree


def unit_diagonals(posterior: xr.Dataset, names: Iterable[str]) -> xr.Dataset:
    """Return draws whose correlation matrices have ones on the diagonal: densities of rounding errors stop ArviZ."""
    exact = {}
    for name in names:
        if name in posterior:
            matrices = posterior[name].copy()
            place = np.arange(matrices.shape[-1])
            matrices.values[..., place, place] = 1.0
            exact[name] = matrices
    return posterior.assign(exact)


def _numbers(spec: ModelSpec, design: Design, taken: Collection[str]) -> dict[str, Any]:
    """Return the predictors that are numbers, for plots against them, but for names that netCDF cannot hold.

    One of a name that is taken ends in ``_data``.
    """
    kinds = design.encoders.kinds
    names = [name for name in spec.formula.predictors if kinds[name] is None and "/" not in name and name != "."]
    return {f"{name}_data" if name in taken else name: ("obs", numbers(design.frame[name])) for name in names}


def row_labels(index: pd.Index) -> np.ndarray:
    """Return the labels of the rows: the user's index where it is flat and unique, otherwise 0, 1, 2, ...

    Parameters
    ----------
    index
        The index of the rows kept.

    Returns
    -------
    numpy.ndarray
        One label per row.
    """
    flat = not isinstance(index, pd.MultiIndex) and index.is_unique and index.dtype.kind in "iufUO"
    return np.asarray(index) if flat else np.arange(len(index))
