"""Why a grouping factor cannot be read. Input: the text right of a bar. Output: what to write in its place."""

from __future__ import annotations

import re

from bayes_glmm.spec.scan import enclosed, split

__all__ = ["group_reason"]


def group_reason(text: str, inside: str) -> str:
    """Say why a grouping factor cannot be read, and what to write.

    Parameters
    ----------
    text
        What stands right of the bar.
    inside
        The inside of the parentheses.

    Returns
    -------
    str
        One or two sentences.
    """
    left = inside.split("|")[0].strip()
    inner = enclosed(text)
    if inner is not None:
        return f"Write the grouping factor without parentheses: ({left} | {inner})."
    if re.search(r"\bmm\s*\(", text):
        return f"Multi-membership terms are not available: '({inside})'."
    if re.search(r"\bgr\s*\(", text):
        return (
            f"Covariances between levels are no part of the formula: for '({inside})' write ({left} | g), and say how "
            "the levels of g are related by GLMM(..., covariances={'g': ...}): a pedigree, a phylogeny or a matrix."
        )
    if len(parts := split(text, "+")) > 1:
        each = " + ".join(f"({left} | {part.strip()})" for part in parts)
        return f"One grouping factor a term: write {each} for '({inside})'."
    if len(parts := split(text, "*")) > 1:
        names = [part.strip() for part in parts]
        return f"Write {' + '.join(f'({left} | {name})' for name in [*names, ':'.join(names)])} for '({inside})'."
    if re.fullmatch(r"\w[\w.]*( [\w.]+)+", text):
        return f"Names with blanks stand between backticks: write ({left} | `{text}`) for '({inside})'."
    return (
        f"The grouping factor {text!r} must be a column, or columns joined by ':' or '/'; "
        "make a column in the data for anything else."
    )
