"""Predictions under the four meanings of `random_effects`: expected responses, new responses, the quadrature."""
