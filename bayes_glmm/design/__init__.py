"""From a specification and a data frame to arrays: X, Z and level codes per grouping factor, and the response."""
