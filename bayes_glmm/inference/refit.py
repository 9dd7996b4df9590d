"""Fits of the same model to other responses or with rows left out, and many of them at once.

Input: a `Fit` or a model. Output: fits that share its specification, design and priors. Rows are left out by a weight
of zero, so that levels, columns, centring and priors stay what they were; a group left out has draws from its prior.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bayes_glmm.arguments import in_words
from bayes_glmm.design.design import Design
from bayes_glmm.design.known import recensored
from bayes_glmm.errors import SamplingError
from bayes_glmm.inference.fit import Fit, Model, assemble_tree
from bayes_glmm.inference.samplers import run_sampler
from bayes_glmm.inference.settings import SamplerSettings, available_processors
from bayes_glmm.model.prior_table import PriorTable
from bayes_glmm.progress import Progress
from bayes_glmm.spec.model_spec import ModelSpec

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RefittedModel:
    """What a refit knows of its model.

    Parameters
    ----------
    spec, design, prior_table
        As in `bayes_glmm.inference.fit.Model`.
    """

    spec: ModelSpec
    design: Design
    prior_table: PriorTable


@dataclass(frozen=True)
class Failure:
    """A task that raised.

    Parameters
    ----------
    task
        Its number.
    reason
        The error, in words.
    """

    task: int
    reason: str


def without_rows(model: Model, rows: Rows) -> RefittedModel:
    """Take rows out of the likelihood.

    Parameters
    ----------
    model
        The model.
    rows
        Positions of the rows to leave out.

    Returns
    -------
    RefittedModel
        The same levels, columns and priors; these rows have weight zero.
    """
    response = model.design.response
    assert response is not None
    weights = np.ones(len(response.y)) if response.weights is None else response.weights.copy()
    weights[rows] = 0.0
    design = replace(model.design, response=replace(response, weights=weights))
    return RefittedModel(model.spec, design, model.prior_table)


def with_response(model: Model, y: npt.NDArray[np.float64]) -> RefittedModel:
    """Put other responses in the place of the observed ones.

    Parameters
    ----------
    model
        The model.
    y
        (rows,) responses, as the design holds them.

    Returns
    -------
    RefittedModel
        The same priors: none is scaled anew.
    """
    response = model.design.response
    assert response is not None
    y, known = recensored(response, model.spec.family.support, np.asarray(y, dtype=float))
    design = replace(model.design, response=replace(response, y=y, known=known), known=known)
    return RefittedModel(model.spec, design, model.prior_table)


def refit(model: Model, settings: SamplerSettings, method: str = "nuts", backend: str = "auto") -> Fit:
    """Sample a model, by the default sampler where no other is named.

    Parameters
    ----------
    model
        The model.
    settings
        Lengths, chains, cores and seed.
    method, backend
        As in `bayes_glmm.inference.samplers.run_sampler`.

    Returns
    -------
    Fit
        The fit; nobody has judged its convergence.

    Raises
    ------
    SamplingError
        If no chain can start.
    """
    started = time.perf_counter()
    backend, reason, sampled = run_sampler(method, backend, model.spec, model.design, model.prior_table, settings)
    attrs = {
        "method": method,
        "backend": backend,
        "reason": reason,
        "total_seconds": time.perf_counter() - started,
        "inference_library": "bayes_glmm",
    }
    return Fit(model, assemble_tree(model.spec, model.design, sampled, attrs))


def run_tasks(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    *,
    client: Any = None,
    progressbar: bool = True,
    label: str = "",
    unit: str = "fits",
) -> list[Any]:
    """Run independent tasks, one failure not stopping the others.

    Parameters
    ----------
    function
        What to do with a task; picklable where there is a `client`.
    tasks
        The tasks; each carries its own seed, so that results do not depend on where and in what order they run.
    client
        A ``distributed.Client``; None runs them in threads on this machine's processors (the kernel samples outside
        Python's lock).
    progressbar
        Whether to show progress.
    label
        What is being done, for the progress bar.
    unit
        What the tasks are.

    Returns
    -------
    list
        A result for each task in order, a `Failure` for those that raised.

    Raises
    ------
    SamplingError
        If every task failed.
    """
    if client is not None and not hasattr(client, "map"):
        raise SamplingError(f"client= takes a distributed.Client, not {in_words(client)}.")
    unit = unit if len(tasks) > 1 else unit.removesuffix("s")
    with Progress(label, len(tasks), shown=progressbar, unit=unit) as progress:
        if client is None:
            results = _in_threads(function, tasks, progress)
        else:
            results = _on_cluster(function, tasks, client, progress)
    failures = [result for result in results if isinstance(result, Failure)]
    if failures and len(failures) == len(results):
        raise SamplingError(f"{label}: all {len(results)} tasks failed; the first with: {failures[0].reason}")
    return results


def _guarded(function: Callable[[Any], Any], number: int, task: Any) -> Any:
    """Run a task; an error of the model or the numbers is its result."""
    try:
        return function(task)
    except (ValueError, ArithmeticError, RuntimeError, np.linalg.LinAlgError, OSError) as error:
        return Failure(number, f"{type(error).__name__}: {error}")


def _in_threads(function: Callable[[Any], Any], tasks: Sequence[Any], progress: Progress) -> list[Any]:
    with ThreadPoolExecutor(min(available_processors(), max(1, len(tasks)))) as pool:
        futures = [pool.submit(_guarded, function, number, task) for number, task in enumerate(tasks)]
        try:
            _follow(futures, lambda waiting: wait(waiting, return_when=FIRST_COMPLETED).done, progress)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def _on_cluster(function: Callable[[Any], Any], tasks: Sequence[Any], client: Any, progress: Progress) -> list[Any]:
    import distributed

    numbers = list(range(len(tasks)))
    futures = client.map(_guarded, [function] * len(tasks), numbers, list(tasks), pure=False)
    results: list[Any] = [None] * len(tasks)
    places = {future.key: number for number, future in enumerate(futures)}
    # fetched as they come: a worker that dies later takes the results with it that are still its own
    for future, result in distributed.as_completed(futures, with_results=True, raise_errors=False):
        number = places[future.key]
        # what kills a worker is an error of the future, not of the task
        results[number] = Failure(number, str(future.exception())) if future.status == "error" else result
        progress.advance()
    return results


def _follow(futures: Iterable[Any], waited: Callable[[set[Any]], set[Any]], progress: Progress) -> None:
    waiting = set(futures)
    while waiting:
        done = waited(waiting)
        waiting -= done
        for _ in done:
            progress.advance()
