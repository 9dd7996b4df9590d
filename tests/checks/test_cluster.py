"""Refits on a Dask cluster of two processes on this machine: the same numbers, and a lost worker costs its own task."""

from __future__ import annotations

import os
import time

import distributed
import numpy as np
import pytest

import bayes_glmm as bg
from bayes_glmm.inference.refit import Failure, run_tasks

PRIORS = {"Intercept": bg.Prior("Normal", -1, 1), "beta": bg.Prior("Normal", 0, 1), "sd": bg.Prior("HalfNormal", 1)}
QUIET = {"random_seed": 11, "progressbar": False}


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("refits", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_refits_give_the_same_numbers_and_100_take_less_than_a_minute(cbpp, client, refits):
    model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", cbpp, family="binomial", priors=PRIORS)
    started = time.perf_counter()
    on_cluster = bg.sbc(model, refits, client=client, **QUIET)
    seconds = time.perf_counter() - started
    here = bg.sbc(model, refits, **QUIET)
    np.testing.assert_array_equal(on_cluster.ranks["rank"], here.ranks["rank"])
    assert on_cluster.ranks.sizes["simulation"] == refits
    assert seconds < 60


def test_leaving_out_gives_the_same_numbers(cbpp_fit, client):
    for estimate in (
        lambda **where: bg.kfold(cbpp_fit, k=6, group="herd", **QUIET, **where),
        lambda **where: bg.loo(cbpp_fit, **QUIET, **where),
    ):
        np.testing.assert_array_equal(estimate(client=client).elpd_i, estimate().elpd_i)


@pytest.mark.slow
def test_a_killed_worker_loses_its_own_task_only(client):
    def fragile(number: int) -> int:  # travels by value: workers cannot import tests
        if number == 2:
            os._exit(1)  # what the operating system does to a process that takes too much memory
        return number

    results = run_tasks(fragile, list(range(6)), client=client, progressbar=False)
    lost = [result for result in results if isinstance(result, Failure)]
    assert [failure.task for failure in lost] == [2] and "worker" in lost[0].reason.lower()
    assert [result for result in results if not isinstance(result, Failure)] == [0, 1, 3, 4, 5]
