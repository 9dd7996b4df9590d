"""The page of families and the README's table, from the records of families and links and the texts of families.toml.

Run as a program it writes the table into the README: ``python docs/_extensions/families.py``.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS.parent))

from bayes_glmm.families import DISCRETE, FAMILIES, AuxiliaryParameter, Family  # noqa: E402
from bayes_glmm.families.choices import BEFORE, family_of_categories  # noqa: E402
from bayes_glmm.links import LINKS, Link  # noqa: E402

TEXTS: dict[str, dict[str, Any]] = tomllib.loads((DOCS / "families.toml").read_text(encoding="utf-8"))

RESPONSES = {
    "real": "any number",
    "positive": "numbers above 0",
    "count": "0, 1, 2, ...",
    "binary": "0 and 1, or a column of two levels",
    "trials": "successes out of trials",
    "nonnegative": "0 and numbers above it",
    "unit": "numbers strictly between 0 and 1",
    "unit_zero": "0 and numbers below 1",
    "unit_closed": "numbers from 0 to 1, both included",
    "ordered": "ordered categories",
    "unordered": "categories without an order",
    "angle": "angles between -pi and pi, in radians",
}
BEGIN, END = "<!-- families begin: written by docs/_extensions/families.py -->", "<!-- families end -->"

HEAD = """# Families

What `family=` takes: the key of a record in {py:data}`bayes_glmm.FAMILIES`, one of its other names, or a
{py:class}`bayes_glmm.Family` of your own ([how to write one](../contributing/family.md)). This page is made from the
records. In densities, $\\mu$ is what the link acts on: the mean of the response unless the text says otherwise.

Default priors of the coefficients and of the sds of groups are stated at the data and do not belong to the family;
`model.priors` lists them. `sd(y)` is the sd of the response, of its logarithm for `lognormal`.
"""

FAMILY = """
## {name}

{use}

$$
{symbol}(y) {equals}{density}
$$
{where}
- Response: {response}.
- Links: {links}.
- Other names: {aliases}.

{parameters}
```{{figure}} figures/{name}.svg
:alt: {symbol_words} of the {name} family for three sets of parameters
:width: 560px
```
"""


def in_words(parameter: AuxiliaryParameter) -> str:
    """Return the default prior of a parameter, as users would write it, and what it is about."""
    about = {
        1.0: "",
        -0.5: f" on 1 / sqrt({parameter.name})",
        0.5: f" on sqrt({parameter.name})",
        -1.0: f" on 1 / {parameter.name}",
        2.0: f" on {parameter.name}^2",
    }[parameter.power]
    unit = ", in units of sd(y)" if parameter.scaled else ""
    return f"`{parameter.prior}`{about}{unit}{', for each' if parameter.ordered else ''}"


def bounds(parameter: AuxiliaryParameter) -> str:
    upper = getattr(parameter, "upper", None)
    if parameter.ordered:
        return "increasing"
    if parameter.lower is None:
        return "any number"
    return f"above {parameter.lower:g}" if upper is None else f"between {parameter.lower:g} and {upper:g}"


def parameter_table(family: Family) -> str:
    if family.support == "unordered":
        return (
            "Each category but the first has a linear predictor, `mu` and its label: `muB` for B. Its intercept's "
            "default prior is centred at the log odds of the responses' shares, with an sd of 2.5.\n"
        )
    if not family.parameters:
        return "There is no parameter besides the mean.\n"
    rows = [f"| `{one.name}` | ${one.latex}$ | {bounds(one)} | {in_words(one)} |" for one in family.parameters]
    return "\n".join(["| parameter | symbol | values | default prior |", "| --- | --- | --- | --- |", *rows, ""])


def where(text: dict[str, Any]) -> str:
    """Return what further symbols of a density stand for, as a sentence."""
    equations = [f"${line}$" for line in text.get("where", ())]
    return f"\nwith {', '.join(equations)}.\n" if equations else ""


def section(family: Family) -> str:
    text = TEXTS[family.name]
    discrete = family.support in DISCRETE
    first, *others = family.links
    return FAMILY.format(
        name=family.name,
        use=" ".join(text["use"].split()),
        equals="" if text["density"].startswith(r"\propto") else "= ",
        density=text["density"].strip(),
        where=where(text),
        symbol="P" if discrete else "p",
        symbol_words="Probabilities" if discrete else "Density",
        response=RESPONSES[family.support],
        links=", ".join([f"`{first}` (default)", *(f"`{other}`" for other in others)]),
        aliases=", ".join(f"`{alias}`" for alias in family.aliases) or "none",
        parameters=parameter_table(family),
    )


def interval(bounds: tuple[float, float]) -> str:
    lower, upper = (f"{bound:g}".replace("inf", r"\infty") for bound in bounds)
    return f"$({lower}, {upper})$"


def link_row(link: Link) -> str:
    takers = ", ".join(f"`{family.name}`" for family in FAMILIES.values() if link.name in family.links)
    latent = "" if link.latent_variance is None else f"{link.latent_variance:.4g}"
    return f"| `{link.name}` | {interval(link.domain)} | {interval(link.eta_domain)} | {latent} | {takers} |"


def links_section() -> str:
    return "\n".join(
        [
            "\n## Links\n",
            "A link g maps the mean to the linear predictor, g(mu) = eta.\n",
            "| link | means | linear predictors | latent variance | families |",
            "| --- | --- | --- | --- | --- |",
            *map(link_row, LINKS.values()),
            "",
        ]
    )


def page() -> str:
    """Return the page of families as MyST markdown."""
    return HEAD + "".join(map(section, FAMILIES.values())) + links_section()


def readme_table() -> str:
    """Return the README's table of families."""
    rows = [
        f"| `{family.name}` | {RESPONSES[family.support]} | {', '.join(family.links)} | "
        f"{', '.join(one.name for one in family.parameters)} |"
        for family in FAMILIES.values()
    ]
    return "\n".join(
        ["| family | response | links, the default first | parameters |", "| --- | --- | --- | --- |", *rows]
    )


def ends(family: Family, y: np.ndarray) -> np.ndarray:
    """Return which y, shape (len(y),), are values that a continuous response takes with positive probability."""
    return np.isin(y, getattr(family, "atoms", ()))


def values_at(family: Family, y: np.ndarray, curve: dict[str, Any], trials: int | None = None) -> np.ndarray:
    """Return the density at y, shape (len(y),), for one set of parameters of families.toml."""
    trials = TEXTS[family.name].get("trials") if trials is None else trials
    parameters = {name: np.asarray(value, dtype=float) for name, value in curve.items() if name not in ("mu", "eta")}
    location: Any = curve.get("mu")
    if family.support == "unordered":
        family = family_of_categories(family, ("0", *(name.removeprefix(BEFORE) for name in parameters)))
    assert family.probabilities is None or "eta" in curve
    if family.probabilities is not None:
        location = family.probabilities(np.full(len(y), curve["eta"]), LINKS[family.links[0]], parameters)
    return np.exp(family.log_density(y, location, parameters, trials))


def draw(family: Family, path: Path) -> None:
    """Draw the densities of a family as an SVG."""
    import matplotlib.pyplot as plt

    text = TEXTS[family.name]
    low, high = text["range"]
    discrete = family.support in DISCRETE
    y = np.arange(low, high + 1.0) if discrete else np.linspace(low, high, 301)
    with plt.rc_context({"svg.hashsalt": family.name, "svg.fonttype": "path", "font.size": 9}):
        figure, ax = plt.subplots(figsize=(6, 2.2), layout="constrained")
        for style, curve in zip(("o-", "s--", "^:"), text["curves"], strict=True):
            label = ", ".join(f"{name} = {value}" for name, value in curve.items() if name != "thresholds")
            line = style if discrete else style[1:]
            atoms = np.asarray(getattr(family, "atoms", ()))
            if len(atoms):
                ax.plot(
                    atoms,
                    values_at(family, atoms, curve),
                    style[0],
                    markersize=5,
                    color=f"C{text['curves'].index(curve)}",
                )
            ax.plot(y, values_at(family, y, curve), line, label=label, markersize=4, linewidth=1 if discrete else 1.6)
        ax.set(xlabel="y", ylabel="probability" if discrete else "density", ylim=(0, None))
        if discrete and len(y) < 12:
            ax.set_xticks(y)
        ax.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def write_page(app: Any, config: Any) -> None:
    from notebooks import write

    target = Path(app.srcdir) / "reference"
    write(target / "families.md", page().encode())
    (target / "figures").mkdir(exist_ok=True)
    for family in FAMILIES.values():
        draw(family, target / "figures" / f"{family.name}.svg")


def setup(app: Any) -> dict[str, bool]:
    app.connect("config-inited", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def with_table(readme: str) -> str:
    """Return the README with its table of families written anew."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{readme_table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    readme = DOCS.parent / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
