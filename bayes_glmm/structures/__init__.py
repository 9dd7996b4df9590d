"""Effects whose levels are related: pedigrees, phylogenies, covariance and precision matrices as one record."""
