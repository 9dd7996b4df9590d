"""What a fit says about effects: predictions, comparisons, slopes, marginal coefficients; per draw, summarised last."""
