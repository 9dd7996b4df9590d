"""From a specification and a design to priors and a PyMC model: the definition of what is sampled."""
