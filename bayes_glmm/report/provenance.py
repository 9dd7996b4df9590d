"""How a fit is made again, and what to cite. Input: a fit. Output: blocks of a report."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from bayes_glmm.printing.document import Block, Code, Facts, Items, Words
from bayes_glmm.spec.parameters import LOCATION

if TYPE_CHECKING:
    from bayes_glmm.inference.fit import Fit

_PACKAGES = ("pymc", "nutpie", "arviz", "numpy", "pandas", "formulaic")
_NUTS = (
    "Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn sampler. Journal of Machine Learning Research 15, 1593-1623.",
    "Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Bürkner, P.-C. (2021). Rank-normalization, folding, and "
    "localization: an improved R-hat. Bayesian Analysis 16, 667-718. doi:10.1214/20-BA1221.",
)
_LAPLACE = (
    "Tierney, L. and Kadane, J. B. (1986). Accurate approximations for posterior moments and marginal densities. "
    "Journal of the American Statistical Association 81, 82-86. doi:10.1080/01621459.1986.10478240.",
)
_PYMC = (
    "Abril-Pla, O. et al. (2023). PyMC: a modern and comprehensive probabilistic programming framework in Python. "
    "PeerJ Computer Science 9, e1516. doi:10.7717/peerj-cs.1516."
)


def versions_here() -> str:
    """Write down the versions that decide a fit's draws: of this process, for the fit that it makes.

    Returns
    -------
    str
        ``"Python 3.12.3, pymc 5.26.1, ..."``.
    """
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _PACKAGES)])


def provenance_blocks(fit: Fit) -> Iterator[Block]:
    """Say how the fit is made again, and what to cite.

    Parameters
    ----------
    fit
        The fit.

    Yields
    ------
    Block
        Code, versions, references.
    """
    attrs = fit.attrs
    yield Words("With the same data, versions and kind of machine these lines give the same draws:")
    yield Code(_program(fit))
    if fit.model.design.dropped:
        yield Words(f"Of the data, {fit.model.design.dropped:,} rows with missing values were dropped.")
    unanswered = fit.model.design.unanswered
    if unanswered is not None and len(unanswered):
        yield Words(f"{len(unanswered):,} rows without a response were not used; the fit predicts them.")
    own = str(attrs.get("inference_library_version", version("bayes_glmm")))
    facts = [("bayes_glmm", own), ("fitted with", str(attrs.get("versions", "versions that were not recorded")))]
    seed = attrs.get("random_seed")
    facts += [("seed", "not recorded" if seed is None else str(seed))]
    facts += [("sampler", f"{attrs['method']}, {attrs['backend']} ({attrs['reason']})")]
    yield Facts(tuple(facts))
    yield Words("To cite:")
    methods = _LAPLACE if fit.approximate else _NUTS
    yield Items((f"bayes_glmm, version {own}: Bayesian generalized linear mixed models on PyMC.", _PYMC, *methods))


def _program(fit: Fit) -> str:
    """Write the lines that fit the model, without those that read the data."""
    spec = fit.model.spec
    family = repr(spec.family.name) if spec.family.is_in_table else "family"
    arguments = [repr(spec.formula.text), "data", f"family={family}"]
    others = {one.name: one.link.name for one in spec.channels if one.link.name != one.parameter.links[0]}
    if others:
        arguments.append(f"link={ {LOCATION: spec.link.name, **others}!r}")
    elif spec.link.name != spec.family.links[0]:
        arguments.append(f"link={spec.link.name!r}")
    if stated := spec.formula.stated:
        arguments.append(f"dpar_formulas={stated!r}")
    if spec.priors:
        arguments.append(f"priors={ {name: str(prior) for name, prior in spec.priors}!r}")
    arguments += ["covariances=covariances"] if spec.covariances else []
    arguments += ["center=False"] if not spec.center else []
    call = str(fit.attrs.get("call", "fit()"))
    lines = ["import bayes_glmm as bg", "", "# data: the table that was fitted"]
    lines += [] if family != "family" else ["# family: the Family of your own"]
    if spec.covariances:
        each = [f"{name!r}: {structure.kind} of {structure.size:,} levels" for name, structure in spec.covariances]
        lines.append(f"# covariances: {{{', '.join(each)}}}")
    return "\n".join([*lines, f"model = bg.GLMM({', '.join(arguments)})", f"fit = model.{call}"])
