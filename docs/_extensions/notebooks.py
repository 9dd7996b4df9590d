"""Pages whose code runs: the notebooks of examples/, and a quiet IPython of the site's own for all of them.

Input: `examples/README.md` and the notebooks it lists. Output: the same in docs/examples/, which git ignores, the list
as `index.md`; an IPython profile in out/ipython, so that no page depends on what the user has set up.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

INDEX = """{listing}
```{{toctree}}
:hidden:

{names}
```
"""

CONFIG = """c.IPKernelApp.log_level = "ERROR"
c.HistoryManager.enabled = False
c.InlineBackend.rc = {"figure.dpi": 110}
"""
#: Whether the engine is compiled while a page runs, and how long fits take, depends on the machine, not on the page.
STARTUP = """from bayes_glmm import progress
from bayes_glmm.engine import native

native.announce = lambda: None
progress._DELAY = float("inf")
del native, progress
"""


def write(path: Path, content: bytes) -> None:
    """Write a file unless it says so already: Sphinx reads again what is newer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def copy_notebooks(app: Sphinx, config: Config) -> None:
    source, target = Path(app.srcdir).parent / "examples", Path(app.srcdir) / "examples"
    listing = (source / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"\]\((\w+)\.ipynb\)", listing)  # in the course's order
    for stale in target.glob("*.ipynb"):
        if stale.stem not in names:
            stale.unlink()
    for name in names:
        write(
            target / f"{name}.ipynb", (source / f"{name}.ipynb").read_bytes().replace(b"](README.md)", b"](index.md)")
        )
    write(target / "index.md", INDEX.format(listing=listing, names="\n".join(names)).encode())


def make_profile(app: Sphinx, config: Config) -> None:
    home = Path(app.srcdir).parent / "out" / "ipython"
    write(home / "profile_default" / "ipython_kernel_config.py", CONFIG.encode())
    write(home / "profile_default" / "startup" / "00-quiet.py", STARTUP.encode())
    os.environ["IPYTHONDIR"] = str(home)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", copy_notebooks)
    app.connect("config-inited", make_profile)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
