"""A directive that shows a widget of the package on a page, and writes it as a page of its own beside the site's.

    ```{widget} two_stories
    :sd: 2.0
    ```

Options are arguments of the function, written as in Python.
"""

import ast
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import bayes_glmm as bg
from bayes_glmm.widgets.page import frame

HEIGHTS = {"two_stories": 720, "shrinkage": 780}


class Options(dict):
    """Every option is allowed here; the package refuses those that it does not know."""

    def __missing__(self, name):
        return ast.literal_eval

    def __bool__(self):
        return True


class Widget(SphinxDirective):
    required_arguments = 1
    option_spec = Options()

    def run(self) -> list[nodes.Node]:
        name = directives.unchanged_required(self.arguments[0])
        made = getattr(bg.widgets, name)(**self.options)
        where = Path(self.env.app.outdir) / "widgets" / f"{name}.html"
        where.parent.mkdir(parents=True, exist_ok=True)
        made.save_html(where)
        up = "../" * self.env.docname.count("/")
        link = f'<p><a href="{up}widgets/{name}.html">On a page of its own</a></p>'
        shown = frame(made.to_html(), name.replace("_", " "), HEIGHTS[name])
        return [nodes.raw("", f"{shown}\n{link}", format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("widget", Widget)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
