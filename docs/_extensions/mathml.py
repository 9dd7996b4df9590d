"""Equations as MathML, which browsers show by themselves: no script and no font is loaded.

Input: the math nodes of a page (LaTeX). Output: `<math>` elements, by docutils' converter. LaTeX that it cannot read
is a warning, and so an error of the build.
"""

import re

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

#: Environments that only say that an equation is displayed; the converter aligns lines by itself.
DISPLAY = re.compile(
    r"\\begin\{(?P<name>(?:equation|align|gather)\*?)\}(?P<inner>.*)\\end\{(?P=name)\}", flags=re.DOTALL
)
#: Commands that the converter does not know: sized delimiters that are neither left nor right, and plain dots.
SIZED = re.compile(r"\\(big|Big|bigg|Bigg)(?![A-Za-z])")
DOTS = re.compile(r"\\dots(?![A-Za-z])")
LOG = logging.getLogger(__name__)


def as_mathml(node: nodes.math | nodes.math_block, *, block: bool) -> str:
    """Return one equation as a `<math>` element."""
    code = node.astext()
    if whole := DISPLAY.fullmatch(code.strip()):
        code = whole["inner"]
    code = DOTS.sub(r"\\ldots", SIZED.sub(r"\\\1l", code))
    try:
        return latex2mathml.tex2mathml(code, as_block=block)
    except MathError as error:
        LOG.warning("this equation has no MathML: %s (%s)", code, error, location=node)
        return f"<code>{code}</code>"


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(as_mathml(node, block=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(as_mathml(node, block=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
