"""One function per sampler, all of them NUTS, in a table.

Input: a model's parts and `SamplerSettings`. Output: `Sampled`. A sampler that would need another step method than NUTS
is refused: its draws would look alike and be worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bayes_glmm.design.design import Design
from bayes_glmm.engine.coverage import why_not_covered
from bayes_glmm.errors import SamplingError, nearest
from bayes_glmm.inference.graph import pymc_sampler, sample_nutpie
from bayes_glmm.inference.kernel import approximate_laplace, sample_kernel
from bayes_glmm.inference.settings import Sampled, SamplerSettings
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.spec.model_spec import ModelSpec

Sampler = Callable[[ModelSpec, Design, PriorTable, SamplerSettings], Sampled]

METHODS = ("nuts", "laplace")

SAMPLERS: Mapping[str, Sampler] = {
    "kernel": sample_kernel,
    "nutpie": sample_nutpie,
    "pymc": pymc_sampler("pymc"),
    "numpyro": pymc_sampler("numpyro"),
    "blackjax": pymc_sampler("blackjax"),
}


def choose_sampler(backend: str, spec: ModelSpec, design: Design, priors: PriorTable) -> tuple[str, str]:
    """Choose the sampler of a model.

    Parameters
    ----------
    backend
        ``"auto"`` or a key of ``SAMPLERS``.
    spec, design, priors
        The model.

    Returns
    -------
    name : str
        A key of ``SAMPLERS``: under ``"auto"`` the kernel where it covers the model, else nutpie on PyMC's graph.
    reason : str
        Why, in words.

    Raises
    ------
    SamplingError
        If there is no such sampler; the message names the nearest one.
    """
    if backend == "auto":
        missing = why_not_covered(spec, design, priors)
        return ("kernel", "the kernel covers the model") if missing is None else ("nutpie", missing)
    if not isinstance(backend, str) or backend not in SAMPLERS:
        raise SamplingError(f"There is no backend {backend!r}. {nearest(backend, ['auto', *SAMPLERS])}")
    return backend, "asked for"


def run_sampler(
    method: str, backend: str, spec: ModelSpec, design: Design, priors: PriorTable, settings: SamplerSettings
) -> tuple[str, str, Sampled]:
    """Sample a model by the method and backend asked for.

    Parameters
    ----------
    method
        ``"nuts"`` or ``"laplace"``.
    backend
        ``"auto"`` or a key of ``SAMPLERS``.
    spec, design, priors
        The model.
    settings
        Lengths, chains and seed.

    Returns
    -------
    backend : str
        What ran.
    reason : str
        Why that.
    sampled : Sampled
        The draws.

    Raises
    ------
    SamplingError
        If there is no such method or backend, or an argument has no meaning for the method.
    """
    if method not in METHODS:
        raise SamplingError(f"There is no method {method!r}. {nearest(method, METHODS)}")
    if method == "nuts":
        name, reason = choose_sampler(backend, spec, design, priors)
        return name, reason, SAMPLERS[name](spec, design, priors, settings)
    if backend not in ("auto", "kernel"):
        raise SamplingError(f"method='laplace' is the kernel's; backend={backend!r} has none.")
    if settings.tune is not None:
        raise SamplingError("method='laplace' has no warm-up: leave tune= out.")
    return "kernel", "the Laplace approximation is the kernel's", approximate_laplace(spec, design, priors, settings)
