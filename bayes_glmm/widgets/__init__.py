"""Pictures with sliders for teaching: widgets in notebooks, and pages that need neither Python nor a server.

Input: starting values, or a fit. Output: an object that shows itself in a notebook and writes itself as one HTML page.
What is computed while sliders move is in the .js files beside this one, which notebooks and pages share.
"""

from bayes_glmm.errors import nearest
from bayes_glmm.widgets.shrinkage import shrinkage
from bayes_glmm.widgets.two_stories import two_stories

__all__ = ["shrinkage", "two_stories"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    hint = "" if name.startswith("_") else f". {nearest(name, __all__)}"
    raise AttributeError(f"module 'bayes_glmm.widgets' has no attribute {name!r}{hint}")
