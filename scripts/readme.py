"""What the README shows that is computed: its figure, light and dark, and its table of speed.

``python scripts/readme.py`` writes both; ``python scripts/readme.py table`` the table alone. The table is read from
docs/benchmarks.md, and a test holds the two together.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README, BENCHMARKS = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
FIGURES = {theme: ROOT / "docs" / "_static" / f"two_stories_{theme}.svg" for theme in ("light", "dark")}
BEGIN, END = "<!-- speed begins: written by python scripts/readme.py -->", "<!-- speed ends -->"
PEERS = {
    "ours": "bayes_glmm",
    "bambi-nutpie": "Bambi, nutpie",
    "bambi-pymc": "Bambi, PyMC",
    "rstanarm": "rstanarm",
    "lme4": "lme4 (no posterior)",
}
DARK = {
    "text.color": "#e6edf3", "axes.labelcolor": "#e6edf3", "axes.facecolor": "#0d1117", "figure.facecolor": "#0d1117",
    "savefig.facecolor": "#0d1117", "axes.edgecolor": "#e6edf3", "xtick.color": "#e6edf3", "ytick.color": "#e6edf3",
}  # fmt: skip


def seconds(section: str) -> dict[str, str]:
    """Seconds of each peer in one section of the benchmarks; its own words where it had no result."""
    head, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"
    ]
    found = {}
    for row in rows[1:]:
        cells = dict(zip(head, row, strict=False))
        missing = next((cell for cell in row if cell.startswith("no result in")), "")
        found[cells["peer"]] = f"> {missing.split()[3]}" if missing else cells["s"]
    return found


def table(benchmarks: str) -> str:
    """The README's table of speed from the text of docs/benchmarks.md."""
    lines = [f"| seconds to fit | rows | {' | '.join(PEERS.values())} |", f"| --- |{' --: |' * (1 + len(PEERS))}"]
    written = benchmarks.partition("<!-- table begins")[2].partition("<!-- table ends")[0]
    for section in re.split(r"^### ", written, flags=re.MULTILINE)[1:]:
        title = re.match(r"([\w-]+): `(.*)`, (\w+), (\d+) rows", section)
        if title is None or title[1].startswith("simulated"):
            continue
        times = seconds(section)
        cells = [rounded(times.get(peer, "")) for peer in PEERS]
        lines.append(f"| {title[1]}, {title[3]} | {int(title[4]):,} | {' | '.join(cells)} |")
    (best,) = re.findall(r"against the best of the three peers: geometric mean >= 10x \| ([\d.]+)x", written)
    (worst,) = re.findall(r"against the best of the three peers: each data set >= 4x \| ([\d.]+)x", written)
    lines += [
        "",
        f"Effective draws a second: {float(best):.0f} times those of the best of the three others (geometric mean), at "
        f"least {float(worst):.0f}",
        "times on every data set. How it was measured, and everything else: [docs/benchmarks.md](docs/benchmarks.md).",
    ]
    return "\n".join(lines)


def rounded(text: str) -> str:
    """Two digits, whole numbers from ten on."""
    if not text or text.startswith(">"):
        return text
    value = float(text)
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"


def with_table(readme: str, benchmarks: str) -> str:
    """The README with its table as docs/benchmarks.md has it."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README.md has no lines {BEGIN!r} and {END!r}.")
    return f"{before}{begin}\n\n{table(benchmarks)}\n\n{end}{after}"


def draw() -> None:
    """Draw the probability of an infected toenail: for every fourth patient, for a typical one, and on average."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    import bayes_glmm as bg

    mpl.use("Agg")
    data = bg.load_dataset("toenail").assign(infected=lambda rows: rows["outcome"] == "moderate or severe")
    model = bg.GLMM("infected ~ treatment * time + (1 | patientID)", data, family="bernoulli")
    fit = model.fit(random_seed=1, progressbar=False)
    times = [i / 2 for i in range(31)]
    patients = sorted(data.loc[data["treatment"] == "terbinafine", "patientID"].unique())[::4]
    rows = bg.grid(fit, time=times, treatment="terbinafine")
    each = bg.grid(fit, time=times, treatment="terbinafine", patientID=patients)
    stories = {
        "each patient": bg.predictions(fit, each),
        "a typical patient": bg.predictions(fit, rows, random_effects="typical"),
        "the average over patients": bg.predictions(fit, rows, random_effects="marginal"),
    }
    for theme, path in FIGURES.items():
        options = {"svg.hashsalt": "two stories", "font.size": 11, **(DARK if theme == "dark" else {})}
        with plt.style.context(["default", options]):
            _, ax = plt.subplots(figsize=(7.2, 3.8))
            bg.plots.conditional_marginal(stories, x="time", ax=ax)
            ax.set(xlabel="Months of treatment with terbinafine", ylabel="Probability of infection", ylim=(0, 1))
            ax.figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
            ax.figure.savefig(ROOT / "out" / f"{path.stem}.png", dpi=110, bbox_inches="tight")
            plt.close(ax.figure)


if __name__ == "__main__":
    README.write_text(
        with_table(README.read_text(encoding="utf-8"), BENCHMARKS.read_text(encoding="utf-8")), encoding="utf-8"
    )
    if sys.argv[1:] != ["table"]:
        draw()
