"""Judgements of a fit: has it converged, what are its draws worth. Input: a `Fit`. Output: a verdict and numbers."""
