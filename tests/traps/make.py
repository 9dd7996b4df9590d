"""Make the figures of the traps again: ``python -m tests.traps.make``; needs R with lme4, glmmTMB, ordinal, jsonlite.

Writes the tables as CSV into a temporary folder, has ``fits.R`` fit them, and writes ``figures.json`` beside this file.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from tests.traps.cases import CASES
from tests.traps.judge import FIGURES, rows_of


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cases = []
        for case in CASES:
            table, file = case.data(), f"{case.data.__name__}.csv"
            table.to_csv(Path(folder) / file, index=False)
            cases.append(
                {"id": case.id, "r": case.r, "family": case.family, "table": file, "rows": rows_of(table).tolist()}
            )
        (Path(folder) / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
        subprocess.run(["Rscript", str(Path(__file__).with_name("fits.R")), folder], check=True)
        found = json.loads((Path(folder) / "figures.json").read_text(encoding="utf-8"))
    lines = [f"{json.dumps(name)}: {json.dumps(figures)}" for name, figures in found.items()]
    FIGURES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
