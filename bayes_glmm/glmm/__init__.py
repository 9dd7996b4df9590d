"""What users hold: a model and its fit. Methods orchestrate; numbers happen in the functions they call."""
