"""Hypotheses about effects and parameters: combinations of them, with posterior probabilities.

Input: draws of effects (``draws="dataarray"``) or a `Fit`, and statements such as ``"b2 - b1 = 0"``. Output: a row for
each statement. Statements are parsed, never evaluated as Python.
"""

from __future__ import annotations

import ast
import itertools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_glmm.arguments import in_words, interval_probability, own_arguments
from bayes_glmm.effects.evaluation import Array, summarise
from bayes_glmm.effects.labels import moments_words
from bayes_glmm.errors import PredictionError, nearest
from bayes_glmm.inference.fit import check_fit
from bayes_glmm.model.naming import SMOOTH_LENGTHSCALE, SMOOTH_SD
from bayes_glmm.predict.posterior import posterior_draws
from bayes_glmm.printing.table import HEADING, Table
from bayes_glmm.spec.expansion import MAX_NESTED, nested_deeper

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

Hypothesis = str | Sequence[str] | Mapping[str, str]

PAIRS = ("pairwise", "reference", "sequential")
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs}
_RELATION = re.compile(r"(?<![<>=])(<=|>=|==|=|<|>)(?!=)")


@dataclass(frozen=True, eq=False)
class _Statement:
    """One hypothesis: draws of left minus right side, and the relation between them ("" for none)."""

    label: str
    draws: Array
    relation: str


@own_arguments
def hypotheses(
    draws: xr.DataArray | Fit,
    hypothesis: Hypothesis | None = None,
    *,
    rope: tuple[float, float] | None = None,
    ci_prob: float | None = None,
) -> pd.DataFrame:
    """Compute combinations of effects or parameters per posterior draw, and the probability of statements about them.

    Parameters
    ----------
    draws
        Draws of effects from `predictions`, `comparisons`, `slopes` or their ``avg_`` forms with
        ``draws="dataarray"``: their rows are b1, b2, ... in order. Or a fit: its parameters have the names that
        priors have, ``x``, ```period[2]```, ```sd[herd]```, ``sigma``; between backticks where they are no plain words.
    hypothesis
        ``"b2 - b1 = 0"``, ``"b3 / b1 > 1.5"``, ``"exp(x) < 2"`` with + - * / ** exp log sqrt abs; several in a list; or
        a mapping from labels to them. For rows of effects also ``"pairwise"`` (every later row minus every earlier
        one), ``"reference"`` (every row minus the first) and ``"sequential"`` (every row minus the one before), each
        among the rows of one variable (``term``) and one category of an ordered response. None for every row or
        parameter by itself.
    rope
        Region of practical equivalence (low, high) of left side minus right side.
    ci_prob
        Probability of the equal-tailed interval; None for ArviZ's ``stats.ci_prob``.

    Returns
    -------
    pandas.DataFrame
        hypothesis; estimate, sd, lower, upper of left side minus right side; p_positive, the posterior probability that
        it is above zero; p_direction, the larger of the probabilities that it is above and below zero; p_rope, that it
        lies in `rope`; probability, that the statement holds (``<`` and ``>``; not a number for ``=`` and for plain
        combinations, which hold with probability zero or state nothing). The last two only where they are asked for.

    Raises
    ------
    PredictionError
        If a statement cannot be read, names something unknown, or `rope` is not (low, high).

    References
    ----------
    Kruschke, J. K. (2018). Rejecting or accepting parameter values in Bayesian estimation. Advances in Methods and
    Practices in Psychological Science 1, 270-280. doi:10.1177/2515245918771304.
    Makowski, D., Ben-Shachar, M. S., Chen, S. H. A. and Ludecke, D. (2019). Indices of effect existence and
    significance in the Bayesian framework. Frontiers in Psychology 10, 2767. doi:10.3389/fpsyg.2019.02767.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial")
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> by_period = bg.avg_predictions(fit, by="period", draws="dataarray")
    >>> table = bg.hypotheses(by_period, "b4 - b1 < 0")
    >>> bool(table.loc[0, "probability"] > 0.95)
    True
    """
    if isinstance(draws, xr.DataArray):
        values, labels = _rows(draws)
        names = {f"b{i + 1}": values[:, i] for i in range(values.shape[1])}
    else:
        if isinstance(draws, pd.DataFrame | xr.Dataset):
            kind = in_words(draws)
            raise PredictionError(f"hypotheses takes a fit or draws, not {kind}: predictions(..., draws='dataarray').")
        check_fit(draws, frames=True)
        names = parameter_draws(draws)
        values, labels = np.stack(list(names.values()), axis=1), list(names)
    if hypothesis is None:
        statements = [_Statement(label, values[:, i], "") for i, label in enumerate(labels)]
    elif isinstance(hypothesis, str) and hypothesis in PAIRS:
        if not isinstance(draws, xr.DataArray):
            raise PredictionError(f"hypothesis={hypothesis!r} compares rows of effects, not the parameters of a fit.")
        statements = _pairs(hypothesis, values, labels, _kinds(draws))
    else:
        statements = [_statement(label, text, names) for label, text in _named(hypothesis).items()]
    return _table(statements, rope, interval_probability(ci_prob))


def parameter_draws(fit: Fit) -> dict[str, Array]:
    """Name the draws of a fit's parameters as priors name them.

    Parameters
    ----------
    fit
        The fit.

    Returns
    -------
    dict
        ``"x"``, ``"sd[herd]"`` (``"sd[herd][x]"`` where there are several), ``"corr[herd][Intercept, x]"``,
        ``"sigma"`` -> (S,) draws.
    """
    draws, design = posterior_draws(fit), fit.model.design
    named = {coef: draws.beta[:, j] for j, coef in enumerate(design.coefs)}
    for term in design.groups:
        covariance = draws.covariances[term.name]
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        single = len(term.coefs) == 1
        named |= {f"sd[{term.name}]" + ("" if single else f"[{c}]"): sd[:, j] for j, c in enumerate(term.coefs)}
        for block in term.blocks:
            for i, j in itertools.combinations(block, 2):
                with np.errstate(invalid="ignore"):
                    corr = covariance[:, i, j] / (sd[:, i] * sd[:, j])
                named[f"corr[{term.name}][{term.coefs[i]}, {term.coefs[j]}]"] = corr
    for variable, head in ((SMOOTH_SD, "sd"), (SMOOTH_LENGTHSCALE, "lengthscale")):
        if variable in fit.posterior:
            values = fit.posterior[variable].transpose("chain", "draw", ...)
            labels = [str(label) for label in values[values.dims[-1]].to_numpy()]
            flat = values.to_numpy().reshape(draws.size, -1)
            named |= {f"{head}[{label}]": flat[:, j] for j, label in enumerate(labels)}
    for name, value in draws.parameters.items():
        flat = value.reshape(len(value), -1)
        columns = {name: flat[:, 0]} if flat.shape[1] == 1 else {f"{name}[{k}]": col for k, col in enumerate(flat.T)}
        named |= columns
    for effect in design.monotonic:
        shares = fit.posterior[effect.name].transpose("chain", "draw", ...).to_numpy().reshape(draws.size, -1)
        named |= {f"simplex[{effect.column}][{step}]": shares[:, k] for k, step in enumerate(effect.steps)}
    return named


def _rows(array: xr.DataArray) -> tuple[Array, list[str]]:
    """Draws as (S, rows), and a label for every row from the coordinates that tell rows apart."""
    if not {"chain", "draw", "obs"} <= set(array.dims):
        raise PredictionError("hypotheses needs draws of effects: call the function with draws='dataarray'.")
    values = array.transpose("chain", "draw", "obs").to_numpy()
    columns = [
        array[name].to_numpy().astype(str) for name in array.coords if array[name].dims == ("obs",) and name != "obs"
    ]
    telling = [column for column in columns if len(set(column)) > 1]
    labels = [", ".join(row) for row in zip(*telling, strict=True)] if telling else []
    if len(set(labels)) != array.sizes["obs"]:
        labels = [f"b{i + 1}" for i in range(array.sizes["obs"])]
    return values.reshape(-1, array.sizes["obs"]), labels


def _kinds(array: xr.DataArray) -> list[tuple[str, ...]]:
    """Variable, category and grouping factor of every row: pairs are made among rows that have them in common."""
    names = ("term", "category", *(("group",) if array.attrs.get("quantity") == "random effect" else ()))
    columns = [array[name].to_numpy().astype(str) for name in names if name in array.coords]
    return list(zip(*columns, strict=True)) if columns else [()] * int(array.sizes["obs"])


def _pairs(how: str, values: Array, labels: list[str], kinds: list[tuple[str, ...]]) -> list[_Statement]:
    pairs: list[tuple[int, int]] = []
    for kind in dict.fromkeys(kinds):
        rows = [row for row, other in enumerate(kinds) if other == kind]
        pairs += {
            "pairwise": [(high, low) for low, high in itertools.combinations(rows, 2)],
            "reference": [(high, rows[0]) for high in rows[1:]],
            "sequential": list(zip(rows[1:], rows, strict=False)),
        }[how]
    if not pairs:
        among = " of one variable and category" if len(set(kinds)) > 1 else ""
        advice = " Compare others by a statement such as 'b2 - b1 = 0'." if among else ""
        raise PredictionError(f"hypothesis={how!r} needs at least two rows{among} to compare; there is one.{advice}")
    return [_Statement(f"({labels[i]}) - ({labels[j]})", values[:, i] - values[:, j], "") for i, j in pairs]


def _named(hypothesis: Hypothesis) -> dict[str, str]:
    if isinstance(hypothesis, str):
        return {hypothesis: hypothesis}
    texts: Any = list(hypothesis.values()) if isinstance(hypothesis, Mapping) else hypothesis
    texts = texts.tolist() if isinstance(texts, np.ndarray | pd.Series) else texts
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) for text in texts):
        raise PredictionError('hypothesis: give "b2 - b1 = 0", a list of such texts, or a mapping from labels to them.')
    return dict(hypothesis) if isinstance(hypothesis, Mapping) else dict(zip(texts, texts, strict=True))


def _statement(label: str, text: str, names: Mapping[str, Array]) -> _Statement:
    quoted: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        word = f"_quoted_{len(quoted)}"
        quoted[word] = match.group(1)
        return word

    plain = re.sub(r"`([^`]+)`", placeholder, text)
    parts = _RELATION.split(plain)
    if "#" in plain:
        raise PredictionError(f"hypothesis {text!r}: '#' may only stand in a name between backticks.")
    if len(parts) not in (1, 3):
        raise PredictionError(f"hypothesis {text!r}: one of = < > <= >= may stand between two sides, once.")
    sides = [_evaluate(part, text, {**names}, quoted) for part in parts[::2]]
    value = sides[0] - sides[1] if len(sides) == 2 else sides[0]
    if np.ndim(value) == 0:
        raise PredictionError(f"hypothesis {text!r} names no effect or parameter. {_known(names)}")
    relation = parts[1] if len(parts) == 3 else ""
    return _Statement(label, np.asarray(value, dtype=float), relation)


def _evaluate(side: str, text: str, names: Mapping[str, Array], quoted: Mapping[str, str]) -> Any:
    try:
        tree = ast.parse(side.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", error)
        hint = _in_backticks(text, names)
        raise PredictionError(f"hypothesis {text!r}: {side.strip()!r} cannot be read ({reason}).{hint}") from error
    if nested_deeper(tree, MAX_NESTED):
        raise PredictionError(f"hypothesis {text[:60]!r}... has more than {MAX_NESTED} operations within each other.")

    def value(node: ast.AST) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return np.float64(node.value)  # Python's floats raise where numpy's overflow
        if isinstance(node, ast.Name):
            name = quoted.get(node.id, node.id)
            if name not in names and (of_beta := re.fullmatch(r"beta\[(.+)\]", name)):  # as in the table of priors
                name = of_beta[1]
            if name not in names:
                raise PredictionError(f"hypothesis {text!r}: there is no {name!r}. {_known(names, name)}")
            return names[name]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            if len(node.args) == 1 and not node.keywords:
                return _FUNCTIONS[node.func.id](value(node.args[0]))
        named = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Subscript)
        if named and not _in_backticks(text, names):
            wrong = ast.unparse(node)
            raise PredictionError(f"hypothesis {text!r}: there is no {wrong!r}. {_known(names, wrong)}")
        raise PredictionError(
            f"hypothesis {text!r}: {ast.unparse(node)!r} is not allowed; use names, numbers, + - * / ** and "
            f"{', '.join(_FUNCTIONS)}.{_in_backticks(text, names)}"
        )

    try:
        with np.errstate(all="ignore"):  # what is infinite or not a number says so in the table
            return value(tree.body)
    except PredictionError:
        raise
    except (RecursionError, OverflowError, ValueError) as error:
        raise PredictionError(f"hypothesis {text!r}: {side.strip()!r} cannot be computed ({error}).") from error


def _in_backticks(text: str, names: Mapping[str, Array]) -> str:
    """Advise backticks where a statement has names in it that are no plain words; empty where it has none."""
    odd = [name for name in names if not name.isidentifier()] + [f"beta[{name}]" for name in names]
    found = sorted((name for name in odd if name in text), key=len, reverse=True)
    if not found or "`" in text:
        return ""
    pattern = "|".join(rf"(?<!\w){re.escape(name)}" for name in found)
    written = re.sub(pattern, lambda match: f"`{match[0]}`", text)
    return f" Names that are no plain words stand between backticks: {written!r}."


def _known(names: Mapping[str, Array], wrong: str = "") -> str:
    if "b1" in names and all(re.fullmatch(r"b\d+", name) for name in names):
        return f"The rows are b1 to b{len(names)}." if len(names) > 1 else "The only row is b1."
    return nearest(wrong, names)


def _is_interval(rope: Any) -> bool:
    ends = list(rope) if isinstance(rope, Sequence | np.ndarray) else []
    return len(ends) == 2 and all(isinstance(end, Real) for end in ends) and ends[0] < ends[1]


def _table(statements: Sequence[_Statement], rope: tuple[float, float] | None, ci_prob: float) -> pd.DataFrame:
    if rope is not None and not _is_interval(rope):
        raise PredictionError(f"rope={rope!r} is not (low, high) with low < high, such as (-0.1, 0.1).")
    draws = np.stack([statement.draws for statement in statements], axis=1)
    summary = summarise(draws, ci_prob)
    positive, negative = (draws > 0).mean(axis=0), (draws < 0).mean(axis=0)
    table = Table(
        {
            "hypothesis": [statement.label for statement in statements],
            "estimate": summary.estimate,
            "sd": summary.sd,
            "lower": summary.lower,
            "upper": summary.upper,
            "p_positive": positive,
            "p_direction": np.maximum(positive, negative),
        }
    )
    if rope is not None:
        table["p_rope"] = ((draws >= rope[0]) & (draws <= rope[1])).mean(axis=0)
    relations = [statement.relation for statement in statements]
    if any(relation[:1] in ("<", ">") for relation in relations if relation):
        holds = {">": positive, ">=": (draws >= 0).mean(axis=0), "<": negative, "<=": (draws <= 0).mean(axis=0)}
        table["probability"] = [holds[r][i] if r in holds else np.nan for i, r in enumerate(relations)]
    table.attrs = {"quantity": "hypothesis", "ci_prob": ci_prob, "interval": "equal-tailed", "draws": len(draws)}
    table.attrs[HEADING] = f"Left side minus right side of each statement: {moments_words(table.attrs)}."
    if rope is not None:
        table.attrs["rope"] = tuple(rope)
    return table
