"""Settings of the documentation: `make docs` builds it into out/docs, without internet, and a warning is an error."""

import hashlib
import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
# The pages show this checkout's package, and their kernels, which inherit the environment, import it too.
sys.path[:0] = [str(ROOT), str(HERE / "_extensions")]
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

project = "bayes_glmm"
author = "the bayes_glmm developers"
version = release = installed_version("bayes_glmm")
html_title = "bayes_glmm"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "mathml",
    "families",
    "notebooks",
    "reference",
    "widgets",
]
templates_path = ["_templates"]
exclude_patterns = ["_extensions"]

# Pages ------------------------------------------------------------------------------------------------------------
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
# Outputs are kept from build to build only while the package that made them is the same.
_sources = sorted((ROOT / "bayes_glmm").rglob("*.py"))
_digest = hashlib.sha256(b"".join(path.read_bytes() for path in _sources)).hexdigest()[:16]
nb_execution_cache_path = str(ROOT / "out" / "executed" / _digest)
# Notebooks are shown as they are committed, and run by the tests.
nb_execution_excludepatterns = ["examples/*"]
nb_execution_show_tb = True
nb_execution_timeout = 300
nb_merge_streams = True

# Reference --------------------------------------------------------------------------------------------------------
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
default_role = "py:obj"
nitpicky = True
# What a MultivariateGLMM is made from; users make one by GLMM of several formulas.
nitpick_ignore = [("py:class", "MultivariateSpec"), ("py:class", "MultivariateDesign")]

# Looks ------------------------------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"gallery": [], "search": []}
html_math_renderer = "mathml"
html_theme_options = {
    "show_prev_next": True,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
