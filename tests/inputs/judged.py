"""What a fit without a word is worth where we refuse or warn: verdicts no machine can give.

"reference" verdicts are those of ../shared/reference/bad_inputs.md, where Bambi 0.21 was run by itself; the others were
given by hand for this matrix, each with its reason.
"""

JUDGED: dict[str, tuple[str, str]] = {}
