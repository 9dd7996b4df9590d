"""The draws of a fit as plain arrays, chains stacked: what the linear predictor multiplies with.

Input: a `Fit`. Output: `PosteriorDraws`, with the sample (chain x draw) as first axis everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from bayes_glmm.arguments import as_whole
from bayes_glmm.design.monotonic import raised
from bayes_glmm.errors import PredictionError
from bayes_glmm.model.naming import dependence_name

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PosteriorDraws:
    """Draws of every parameter, S = chains x draws of them.

    Parameters
    ----------
    chain, draw
        Coordinates of the two dims that were stacked.
    beta
        (S, p) fixed coefficients, link scale.
    effects
        Group -> (S, levels, k) deviations of the fitted levels, link scale; in memory coefficient by coefficient, so
        that those of many rows are gathered from runs.
    covariances
        Group -> (S, k, k) covariance matrix of the deviations.
    dependence
        Group -> (S,) what says how strongly its levels are correlated in time or space; zeros where nothing does.
    parameters
        Auxiliary parameter that is the same in every row -> (S, 1), ready to broadcast against (S, rows); thresholds
        (S, 1, thresholds).
    raised
        Column of X of a monotonic effect -> (S, levels) what its levels add for a coefficient of one, less their
        positions.
    """

    chain: npt.NDArray[np.generic]
    draw: npt.NDArray[np.generic]
    beta: Array
    effects: dict[str, Array]
    covariances: dict[str, Array]
    dependence: dict[str, Array]
    parameters: dict[str, Array]
    raised: dict[int, Array] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of draws S, all chains together."""
        return len(self.chain) * len(self.draw)

    def taking(self, part: npt.NDArray[np.intp]) -> PosteriorDraws:
        """Keep some of the draws, as of one chain.

        Parameters
        ----------
        part
            Positions among the S draws.

        Returns
        -------
        PosteriorDraws
            Those draws.
        """
        return PosteriorDraws(
            chain=np.zeros(1, dtype=int),
            draw=part,
            beta=self.beta[part],
            effects={name: _by_coefficient(values[part]) for name, values in self.effects.items()},
            covariances={name: values[part] for name, values in self.covariances.items()},
            dependence={name: values[part] for name, values in self.dependence.items()},
            parameters={name: values[part] for name, values in self.parameters.items()},
            raised={column: values[part] for column, values in self.raised.items()},
        )

    def unstack(self, values: Array, coords: Mapping[str, object] | None = None) -> xr.DataArray:
        """Give an array of draws its dims back.

        Parameters
        ----------
        values
            (S, rows), or (S, rows, categories).
        coords
            Coordinates along ``obs``: name -> values of length rows; ``"category"`` is along its own dim.

        Returns
        -------
        xarray.DataArray
            Dims chain, draw, obs, and category where there are categories.
        """
        shaped = values.reshape(len(self.chain), len(self.draw), *values.shape[1:])
        dims = ("chain", "draw", "obs", "category")[: shaped.ndim]
        along = {name: ("category" if name in dims[3:] else "obs", value) for name, value in (coords or {}).items()}
        return xr.DataArray(shaped, dims=dims, coords={"chain": self.chain, "draw": self.draw, **along})


def posterior_draws(fit: Fit, per_chain: int | None = None) -> PosteriorDraws:
    """Collect the draws of a fit.

    Parameters
    ----------
    fit
        The fit; it is not changed.
    per_chain
        Keep this many draws of every chain, evenly spaced; None keeps all.

    Returns
    -------
    PosteriorDraws
        Arrays with the sample first.

    Raises
    ------
    PredictionError
        If `per_chain` is no whole number between 1 and the number of draws in a chain.
    """
    posterior = fit.posterior
    if per_chain is not None:
        available = posterior.sizes["draw"]
        per_chain = as_whole("draws", per_chain)
        if per_chain > available:
            raise PredictionError(
                f"draws={per_chain}: the fit has {available} draws in a chain; ask for 1 to {available}."
            )
        posterior = posterior.isel(draw=np.linspace(0, available - 1, per_chain).round().astype(int))
    design = fit.model.design
    sample = posterior.sizes["chain"] * posterior.sizes["draw"]

    def stacked(name: str) -> Array:
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        return np.ascontiguousarray(values.reshape(sample, *values.shape[2:]), dtype=float)

    covariances: dict[str, Array] = {}
    for term in design.groups:
        sd = stacked(f"sd_{term.name}").reshape(sample, len(term.coefs))
        scale = sd[:, :, None] * sd[:, None, :]
        correlated = f"corr_{term.name}" in posterior
        covariances[term.name] = scale * (stacked(f"corr_{term.name}") if correlated else np.eye(len(term.coefs)))
    return PosteriorDraws(
        chain=posterior["chain"].to_numpy(),
        draw=posterior["draw"].to_numpy(),
        beta=stacked("beta") if design.coefs else np.empty((sample, 0)),
        effects={term.name: _by_coefficient(stacked(f"b_{term.name}")) for term in design.groups},
        covariances=covariances,
        dependence={
            term.name: stacked(name) if (name := dependence_name(term)) else np.zeros(sample) for term in design.groups
        },
        parameters={row.name: stacked(row.name)[:, None] for row in design.spec.constants},
        raised={term.position: raised(stacked(term.name)) for term in design.monotonic},
    )


def _by_coefficient(effects: Array) -> Array:
    """Return (S, levels, k) effects whose (S, levels) parts lie together."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(effects, 2, 0)), 0, 2)
