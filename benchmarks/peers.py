"""The packages that are compared, one record each, and whether they are installed.

Input: the machine. Output: `Peer` records; those that are missing come with the reason.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """A package that fits the models.

    Parameters
    ----------
    name
        Name in the table.
    language
        ``"python"`` or ``"r"``.
    package
        The package whose version is recorded, and that must be there.
    posterior
        Whether it gives draws; maximum likelihood gives seconds only.
    """

    name: str
    language: str
    package: str
    posterior: bool = True

    @property
    def compiles(self) -> bool:
        """Whether a first run fills a compile cache (R's packages come compiled)."""
        return self.language == "python"


OURS = Peer("ours", "python", "bayes_glmm")
PEERS = {
    peer.name: peer
    for peer in (
        OURS,
        Peer("bambi-pymc", "python", "bambi"),
        Peer("bambi-nutpie", "python", "bambi"),
        Peer("rstanarm", "r", "rstanarm"),
        Peer("lme4", "r", "lme4", posterior=False),
        Peer("glmmTMB", "r", "glmmTMB", posterior=False),
    )
}


def version_of(peer: Peer) -> str | None:
    """Return the installed version; None where it is missing. Loading R's packages here warms the file cache."""
    if peer is OURS:
        project = Path(__file__).resolve().parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    if peer.language == "python":
        try:
            return importlib.metadata.version(peer.package)
        except importlib.metadata.PackageNotFoundError:
            return None
    if shutil.which("Rscript") is None:
        return None
    code = f"suppressPackageStartupMessages(library({peer.package})); cat(format(packageVersion('{peer.package}')))"
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def available(names: list[str]) -> tuple[list[Peer], dict[str, str]]:
    """Return the peers that are installed, and in words why others are left out."""
    present, missing = [], {}
    for name in names:
        peer = PEERS[name]
        version = version_of(peer)
        if version is not None:
            present.append(peer)
        elif peer.language == "r" and shutil.which("Rscript") is None:
            missing[name] = "Rscript is not on the PATH"
        else:
            missing[name] = f"{peer.package} is not installed"
    return present, missing
