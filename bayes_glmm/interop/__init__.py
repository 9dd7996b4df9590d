"""Models of other packages, read into this one's."""
