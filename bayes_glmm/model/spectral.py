"""The spectral densities of Gaussian processes in PyMC's graph.

Input: frequencies and a lengthscale. Output: the variance of each coefficient where the process has the sd one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytensor.tensor as pt

from bayes_glmm.design.smooths import FLOOR


def spectral_density(spectrum: npt.NDArray[np.float64], lengthscale: Any) -> Any:
    """Return S(w; l) of each column, tensor (columns,).

    Parameters
    ----------
    spectrum
        (columns, 4) as `bayes_glmm.design.smooths.Penalised` has it.
    lengthscale
        Tensor, scalar, in the variable's unit.

    Returns
    -------
    pytensor.tensor.TensorVariable
        Over the widths of the domain, since columns are sines of height one.
    """
    squares, count, nu, constant = spectrum.T
    bend = pt.square(lengthscale) * squares
    fall = -pt.log(pt.exp(-0.5 * bend) + FLOOR) if nu[0] == 0.0 else (nu + 0.5 * count) * pt.log(2.0 * nu + bend)
    return pt.exp(constant + count * pt.log(lengthscale) - fall)
