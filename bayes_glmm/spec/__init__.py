"""From text and options to a checked `ModelSpec`: all that the user stated, and nothing of the data."""
