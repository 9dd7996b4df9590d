"""Show the notebooks of examples/ as pages: they are copied to docs/examples/, which git ignores."""

import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

INDEX = """# Examples

Notebooks of `examples/`, with the outputs that running them gives.

```{{toctree}}
:maxdepth: 1

{names}
```
"""


def copy_notebooks(app: Sphinx, config: Config) -> None:
    source, target = Path(app.srcdir).parent / "examples", Path(app.srcdir) / "examples"
    target.mkdir(exist_ok=True)
    wanted = {path.name: path for path in source.glob("*.ipynb")}
    for stale in set(target.glob("*.ipynb")) - {target / name for name in wanted}:
        stale.unlink()
    for name, path in wanted.items():
        copy = target / name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copy)
    index = INDEX.format(names="\n".join(sorted(path.stem for path in wanted.values())))
    if not (target / "index.md").exists() or (target / "index.md").read_text() != index:
        (target / "index.md").write_text(index)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
