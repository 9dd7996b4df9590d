"""What the engine's tests share: small models, PyMC's density at the engine's positions, numerical derivatives."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def models() -> ModuleType:
    """The module models.py, imported by its path: `tests` is no package."""
    spec = importlib.util.spec_from_file_location("bayes_glmm_engine_models", Path(__file__).with_name("models.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
