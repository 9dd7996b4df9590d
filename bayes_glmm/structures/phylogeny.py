"""Phylogenies: a tree in Newick's notation, and effects that evolve along it by Brownian motion.

Input: text such as ``"((a:1,b:1):2,c:3);"``. Output: a `Phylogeny`, whose `structure` models read. Inner nodes are
levels, too, which keeps the precision sparse.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import DataError, listed
from bayes_glmm.structures.structure import Structure

__all__ = ["Phylogeny"]

#: What a tree is made of; text in brackets is a comment.
_TOKEN = re.compile(r"\s*(?:(\[[^\]]*\])|('(?:[^']|'')*')|([(),:;])|([^\s()\[\],:;']+))")


class Phylogeny:
    """A phylogenetic tree: species' effects a ~ N(0, sd^2 A), A the shared length of their ways from the root.

    Parameters
    ----------
    newick
        The tree with the length of every branch, ``"((human:6,chimp:6):2,gorilla:8);"``. Names may be quoted;
        comments in square brackets are left out; the length of the root's own branch plays no part.
    scale
        Whether lengths are divided by the mean way from the root to the tips, so that sd is that of a tip's effect.

    Raises
    ------
    DataError
        If the text is no tree, a name occurs twice, or a branch has no positive length.

    Notes
    -----
    Brownian motion: a node's effect is its parent's plus an increment with a variance of the branch's length. Inner
    nodes without a name are called ``node1``, ``node2``, ... in the order of the text.

    References
    ----------
    Hadfield, J. D. and Nakagawa, S. (2010). General quantitative genetic methods for comparative biology. Journal of
    Evolutionary Biology 23, 494-508. doi:10.1111/j.1420-9101.2009.01915.x.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> tree = bg.Phylogeny("((human:6,chimp:6):2,gorilla:8);")
    >>> tree
    Phylogeny of 3 tips and 1 inner node: every tip is 8 from the root
    >>> tree.relatedness().loc["human", "chimp"].item()
    0.25
    """

    def __init__(self, newick: str, *, scale: bool = True) -> None:
        if not isinstance(newick, str):
            raise DataError(f"A phylogeny is text in Newick's notation, not {in_words(newick)}.")
        if not isinstance(scale, bool):
            raise DataError(f"scale must be True or False, not {in_words(scale)}.")
        parent, length, names, inner = _tree(newick)
        _check_names(names)
        below = np.arange(len(parent))  # numbered as parentheses open: every node stands after its parent
        labels, depth = _labels(names), np.zeros(len(parent))
        for node in below[1:]:
            depth[node] = depth[parent[node]] + length[node]
            if not length[node] > 0.0:
                has = "no length" if np.isnan(length[node]) else f"length {length[node]:g}"
                raise DataError(
                    f"The branch to {labels[node]!r} has {has}; every branch needs one above zero. Species that are "
                    "the same have one name."
                )
        tips = ~inner
        self._depths = depth[tips]
        if tips.sum() < 2:
            raise DataError("The tree has fewer than two tips.")
        unit = float(self._depths.mean()) if scale else 1.0
        nodes = below[1:]  # without the root, whose effect is zero
        place = np.full(len(parent), -1)
        place[nodes] = np.arange(len(nodes))
        self._parent, self._lengths, self._depth = place[parent[nodes]], length[nodes] / unit, depth[nodes] / unit
        self._labels, self._tips = [labels[node] for node in nodes], tips[nodes]

    @property
    def tips(self) -> pd.Index:
        """Names of the species."""
        return pd.Index([name for name, tip in zip(self._labels, self._tips, strict=True) if tip], name="species")

    @cached_property
    def structure(self) -> Structure:
        """What models read."""
        has = self._parent >= 0
        start = np.concatenate([[0], np.cumsum(has)]).astype(np.int64)
        before = self._parent[has].astype(np.int64)
        return Structure(
            "phylogeny", tuple(self._labels), start, before, np.ones(len(before)), self._lengths, self._depth
        )

    def relatedness(self) -> pd.DataFrame:
        """Return the covariance of the tips, in units of sd^2.

        Returns
        -------
        pandas.DataFrame
            (tips, tips): how far two species' ways from the root are the same.

        Examples
        --------
        >>> import bayes_glmm as bg
        >>> bg.Phylogeny("((a:1,b:1):1,c:2);").relatedness().round(6).to_numpy().tolist()
        [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
        """
        T = self.structure.related(np.eye(self.structure.size))[self._tips]
        return pd.DataFrame(T @ T.T, index=self.tips, columns=self.tips.rename(None))

    def __repr__(self) -> str:
        tips, inner = int(self._tips.sum()), int((~self._tips).sum())
        low, high = self._depths.min(), self._depths.max()
        even = high - low <= 1e-6 * high
        said = f"every tip is {high:g} from the root" if even else f"tips are {low:g} to {high:g} from the root"
        return f"Phylogeny of {tips:,} tips and {inner:,} inner node{'' if inner == 1 else 's'}: {said}"


class _Tree(NamedTuple):
    """Nodes in the order of their names in the text."""

    parent: npt.NDArray[np.int64]
    length: npt.NDArray[np.float64]
    names: list[str | None]
    inner: npt.NDArray[np.bool_]


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise DataError(f"The tree cannot be read from {text[at : at + 20]!r} on.")
        at = match.end()
        if match.group(1) is None:
            found.append(match.group().strip())
    return found


def _tree(text: str) -> _Tree:
    """Read Newick's notation: nodes get numbers when their parenthesis opens."""
    parent: list[int] = [-1]
    length, inner = [float("nan")], [False]
    names: list[str | None] = [None]
    at, tokens, closed = 0, _tokens(text), False
    if not tokens or tokens[0] != "(":
        raise DataError(
            f"A tree in Newick's notation begins with '(', such as '((a:1,b:1):2,c:3);', not {text[:20]!r}."
        )

    def new(above: int) -> int:
        parent.append(above)
        length.append(float("nan"))
        names.append(None)
        inner.append(False)
        return len(parent) - 1

    position = 0
    while position < len(tokens) and not closed:
        token = tokens[position]
        if token == "(":
            inner[at] = True
            at = new(at)
        elif token in ",)" and at == 0:
            raise DataError("The tree has a ')' or ',' without its '('.")
        elif token == ",":
            at = new(parent[at])
        elif token == ")":
            at = parent[at]
        elif token == ":":
            position += 1
            length[at] = _number(tokens[position] if position < len(tokens) else "")
        elif token == ";":
            closed = True
        else:
            names[at] = token[1:-1].replace("''", "'") if token.startswith("'") else token
        position += 1
    if at != 0:
        raise DataError("The tree ends before its parentheses are closed.")
    if position < len(tokens):
        raise DataError("There is text behind the tree's ';'. A phylogeny is one tree.")
    return _Tree(np.array(parent), np.array(length), names, np.array(inner))


def _number(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        raise DataError(f"The tree has {token!r} where the length of a branch should stand, after ':'.") from None


def _check_names(names: list[str | None]) -> None:
    known = [name for name in names if name]
    twice = sorted({name for name in known if known.count(name) > 1}) if len(set(known)) < len(known) else []
    if twice:
        raise DataError(f"Names that occur twice in the tree: {listed(twice)}. Support values are not names.")


def _labels(names: list[str | None]) -> list[str]:
    """Name the nodes that have no name."""
    taken, number = {name for name in names if name}, 0
    labels: list[str] = []
    for name in names:
        while not name:
            number += 1
            name = None if f"node{number}" in taken else f"node{number}"
        labels.append(name)
    return labels
