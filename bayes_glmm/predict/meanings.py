"""What predictions take a grouping factor's effects to be: the four meanings, of all factors or of each by its name.

Input: what the user gave for `random_effects`. Output: the meaning of every grouping factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import PredictionError, nearest

if TYPE_CHECKING:
    from bayes_glmm.design.design import Design

RANDOM_EFFECTS = ("conditional", "typical", "marginal", "new")
#: Meanings under which a row's level is read.
READ = frozenset({"conditional", "new"})

RandomEffects = str | Mapping[str, str]


def check_choice(argument: str, value: object, valid: tuple[str, ...]) -> None:
    """Check an argument that takes one of a few names.

    Parameters
    ----------
    argument
        The argument's name, for the message.
    value
        What the user gave.
    valid
        The names allowed.

    Raises
    ------
    PredictionError
        If the value is not one of them; the message names the nearest.
    """
    if not isinstance(value, str):
        raise PredictionError(f"{argument}= takes a name, not {in_words(value)}. {nearest(value, valid)}")
    if value not in valid:
        raise PredictionError(f"{argument}={value!r} is not known. {nearest(value, valid)}")


def factor_meanings(design: Design, random_effects: RandomEffects, unnamed: str = "marginal") -> dict[str, str]:
    """Find the meaning of every grouping factor.

    Parameters
    ----------
    design
        The design, for its grouping factors.
    random_effects
        One of `RANDOM_EFFECTS` for all factors, or a meaning for each factor named.
    unnamed
        The meaning of factors that a mapping does not name.

    Returns
    -------
    dict
        Factor -> meaning, in the model's order.

    Raises
    ------
    PredictionError
        If there is no such meaning or no such factor.
    """
    names = [term.name for term in design.groups]
    if not isinstance(random_effects, Mapping):
        check_choice("random_effects", random_effects, RANDOM_EFFECTS)
        return dict.fromkeys(names, str(random_effects))
    for name, meaning in random_effects.items():
        if name not in names:
            same = [one for one in names if set(one.split(":")) == set(str(name).split(":"))]
            has = nearest(str((*same, name)[0]), names) if names else "It has none."
            raise PredictionError(f"random_effects: the model has no grouping factor {name!r}. {has}")
        check_choice(f"random_effects[{name!r}]", meaning, RANDOM_EFFECTS)
    return {name: random_effects.get(name, unnamed) for name in names}


def stated(random_effects: RandomEffects, meanings: Mapping[str, str]) -> str | dict[str, str]:
    """Say what was meant, as a result's attributes say it.

    Parameters
    ----------
    random_effects
        What the user gave.
    meanings
        The meaning of every factor.

    Returns
    -------
    str or dict
        One meaning where all factors have the same, otherwise that of every factor.
    """
    if isinstance(random_effects, str):
        return random_effects
    different = set(meanings.values())
    return different.pop() if len(different) == 1 else dict(meanings)


def as_text(random_effects: str | Mapping[str, str]) -> str:
    """Write meanings in a line, for attributes that netCDF has to hold.

    Parameters
    ----------
    random_effects
        One meaning, or that of every factor.

    Returns
    -------
    str
        ``"new"``, ``"Site: conditional, Site:Year: marginal"``.
    """
    if isinstance(random_effects, str):
        return random_effects
    return ", ".join(f"{name}: {meaning}" for name, meaning in random_effects.items())
