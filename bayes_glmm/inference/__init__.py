"""From a model to posterior draws: one function per sampler in a table, and the `Fit` that holds the result."""
