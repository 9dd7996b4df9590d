"""Names in docstrings and signatures: which are links to where, and which are none.

Input: a reference that Sphinx cannot resolve. Output: a link where the reference has the name under another one, plain
code where there is nothing to link to, and nothing where the name is a mistake, which is then a warning and an error of
the build.
"""

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

#: Names in signatures that the reference has under another one.
ALIASES = {
    "Fit": "FittedGLMM",
    "FittedModel": "FittedGLMM",
    "Calibration": "checks.calibration.Calibration",
    "Diagnosis": "checks.convergence.Diagnosis",
    "Link": "links.Link",
}
#: Names that have no page here: other packages', and those of parts that users do not hold.
ELSEWHERE = re.compile(
    r"(pd|pandas|polars|xr|xarray|np|numpy|scipy|sparse|collections|os|pathlib|pm|pymc|graphviz|arviz_stats|matplotlib|difflib)\..*"
    r"|Axes|Figure|SubFigure|Widget|RandomEffects|Hypothesis|Comparison|Statistic"
    r"|bayes_glmm(\.\w+){3}|bayes_glmm\.priors\.PriorDistribution|Dtype"
)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.Element | nodes.TextElement | None:
    target = node["reftarget"]
    if node.get("refdomain") != "py":
        return None
    if known := ALIASES.get(target.rsplit(".", 1)[-1]):
        python = env.domains.python_domain
        return python.resolve_xref(env, node["refdoc"], app.builder, "obj", f"bayes_glmm.{known}", node, shown)
    # What stands between single backticks in a docstring is a name of the package, or an argument.
    return shown if node["reftype"] == "obj" or ELSEWHERE.fullmatch(target) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
