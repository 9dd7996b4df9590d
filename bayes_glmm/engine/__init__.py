"""The fast path: the density as compiled functions of its data, the Laplace fit as the sampler's coordinates.

Input: a specification, a design and a prior table. Output: draws of the same posterior as the PyMC model's, whose
density this room is tested against.
"""
