"""Fits that all tests share: made once a session, on first use, and never changed."""

import os

# PyTensor need not note where each node of a graph was made, which takes a sixth of its time
os.environ.setdefault("PYTENSOR_FLAGS", "traceback__limit=0")

import matplotlib
import pandas as pd
import pytest

import bayes_glmm as bg

matplotlib.use("Agg")

SHORT = {"draws": 1500, "tune": 500, "chains": 4, "random_seed": 20240501, "progressbar": False}


def pytest_configure(config):
    # says how PyTensor was installed on this machine, nothing about the code under test
    config.addinivalue_line("filterwarnings", "ignore:PyTensor could not link to a BLAS:UserWarning")


@pytest.fixture(scope="session")
def cbpp() -> pd.DataFrame:
    return bg.load_dataset("cbpp")


@pytest.fixture(scope="session")
def sleepstudy() -> pd.DataFrame:
    return bg.load_dataset("sleepstudy")


@pytest.fixture(scope="session")
def cbpp_fit(cbpp):
    """A binomial model with one random intercept."""
    return bg.GLMM("p(incidence, size) ~ period + (1 | herd)", cbpp, family="binomial").fit(**SHORT)


@pytest.fixture(scope="session")
def sleepstudy_fit(sleepstudy):
    """A linear model with correlated intercepts and slopes."""
    return bg.GLMM("Reaction ~ Days + (Days | Subject)", sleepstudy).fit(**SHORT)


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests of pages, started on first use."""
    from tests.browser import chromium

    path = chromium.find()
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or name one in CHROMIUM")
    with chromium.Browser(path) as started:
        yield started


@pytest.fixture
def pages(browser):
    """A function that opens pages, `pages(width=400, dark=True)`; they must have raised no error when the test ends."""
    opened = []

    def page(**looks):
        opened.append(browser.page(**looks))
        return opened[-1]

    yield page
    faults = [fault for one in opened for fault in one.faults()]
    for one in opened:
        one.close()
    assert faults == []
