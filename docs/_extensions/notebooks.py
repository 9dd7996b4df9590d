"""Pages whose code runs: the notebooks of examples/, and a quiet IPython of the site's own for all of them.

Input: `examples/*.ipynb`. Output: the same files, and a page that lists them, in docs/examples/, which git ignores; an
IPython profile in out/ipython, so that no page depends on what the user has set up.
"""

import os
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

INDEX = """# Examples

Notebooks of the folder `examples/`, with the outputs that running them gives.

```{{toctree}}
:maxdepth: 1

{names}
```
"""

CONFIG = """c.IPKernelApp.log_level = "ERROR"
c.HistoryManager.enabled = False
c.InlineBackend.rc = {"figure.dpi": 110}
"""
#: Whether the engine is compiled while a page runs depends on the machine, not on the page.
STARTUP = """from bayes_glmm.engine import native

native.announce = lambda: None
del native
"""


def write(path: Path, content: bytes) -> None:
    """Write a file unless it says so already: Sphinx reads again what is newer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def copy_notebooks(app: Sphinx, config: Config) -> None:
    source, target = Path(app.srcdir).parent / "examples", Path(app.srcdir) / "examples"
    names = sorted(path.stem for path in source.glob("*.ipynb"))
    for stale in target.glob("*.ipynb"):
        if stale.stem not in names:
            stale.unlink()
    for name in names:
        write(target / f"{name}.ipynb", (source / f"{name}.ipynb").read_bytes())
    write(target / "index.md", INDEX.format(names="\n".join(names)).encode())


def make_profile(app: Sphinx, config: Config) -> None:
    home = Path(app.srcdir).parent / "out" / "ipython"
    write(home / "profile_default" / "ipython_kernel_config.py", CONFIG.encode())
    write(home / "profile_default" / "startup" / "00-quiet.py", STARTUP.encode())
    os.environ["IPYTHONDIR"] = str(home)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", copy_notebooks)
    app.connect("config-inited", make_profile)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
