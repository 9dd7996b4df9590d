"""Bayesian generalized linear mixed models on PyMC."""
