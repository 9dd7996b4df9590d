"""Small real data sets with their provenance, and simulators that know the truth.

Input: a name or a story with its settings. Output: pandas data frames.
"""

from bayes_glmm.datasets.load import list_datasets, load_dataset
from bayes_glmm.datasets.simulate import simulate

__all__ = ["list_datasets", "load_dataset", "simulate"]
