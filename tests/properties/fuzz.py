"""Fuzzing: hostile and broken texts wherever text is read; nothing may run, and every refusal is one of our errors.

    python -m tests.properties.fuzz --count 100000

Input: how many texts. Output: a report in markdown. The texts are the same for the same seed. Reading happens in a
process of its own, under the watch of an audit hook (`tests.properties.watch`).
"""

from __future__ import annotations

import argparse
import codecs
import json
import socket
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SLOWEST = 2.0
SHOWN = 40
SEED = 20250701
VERDICTS = ("refused", "refused later", "accepted", "other exception")
#: Of every hundred texts, how many are formulas; the others are hypotheses, priors' keys, JSON and descriptions.
FORMULAS = 88


def run(count: int, seed: int = SEED) -> dict[str, Any]:
    """Read texts in a process of its own and return its report."""
    command = [sys.executable, "-m", "tests.properties.fuzz", "--child", "--count", str(count), "--seed", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def section(count: int = 100_000, seed: int = SEED) -> str:
    """Fuzz, and write what happened as markdown.

    Parameters
    ----------
    count
        Number of texts.
    seed
        Which texts.

    Returns
    -------
    str
        A section: a table by kind of text, and what was found.
    """
    report = run(count, seed)
    lines = [
        f"{count} texts (seed {seed}), {report['seconds']:.0f} s, {report['events']} audit events looked at.",
        "",
        "| texts | tried | refused | refused with the data | accepted | other exceptions | intrusions | slowest (s) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, row in report["kinds"].items():
        figures = [row["tried"], *(row[verdict] for verdict in VERDICTS), row["intrusions"], f"{row['slowest']:.2f}"]
        lines.append(f"| {kind} | {' | '.join(map(str, figures))} |")
    lines += [
        "",
        "Accepted texts are right to be accepted: no code made from a text ran for them, which the audit hook sees "
        "whatever our own check says.",
    ]
    seen = report["planted"]
    lines += ["", f"The watch sees what it should: {sum(seen.values())} of {len(seen)} planted intrusions."]
    faults = report["faults"]
    lines += ["", *(f"- **{what}**: `{text!a}` {detail}" for what, text, detail in faults[:SHOWN])]
    lines += [f"- and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
    return "\n".join(lines).rstrip() + "\n"


# in the process that reads ------------------------------------------------------------------------------------------


def make_data(rows: int = 24) -> Any:
    import numpy as np
    import pandas as pd

    from tests.properties.hostile import NAMES

    rng = np.random.default_rng(1)
    awkward = {name: rng.uniform(1, 2, rows) for name in NAMES}
    numbers = {name: rng.normal(size=rows) for name in ("y", "x", "body mass", "e", *(f"x{i}" for i in range(300)))}
    return pd.DataFrame(
        {
            **numbers,
            "w": rng.uniform(0.5, 2, rows),
            "n": rng.integers(3, 7, rows),
            "k": rng.integers(0, 4, rows),
            "b": np.tile([0, 1], rows // 2),
            "f": np.resize(["u", "v", "w"], rows),
            "g": rng.permutation(np.resize(["g1", "g2", "g3", "g4"], rows)),
            "a": rng.permutation(np.resize(["p", "q"], rows)),
            "_a": rng.permutation(np.resize(["p", "q"], rows)),
            "the herd": np.resize([1, 2, 3], rows),
            **awkward,
        }
    )


class Reader:
    """Everything that reads text, under a watch that knows what good texts cause."""

    def __init__(self) -> None:
        import numpy as np
        import xarray as xr

        import bayes_glmm as bg
        from bayes_glmm.priors import Prior
        from bayes_glmm.spec import safe
        from bayes_glmm.spec.model_spec import ModelSpec
        from tests.properties.hostile import VALID
        from tests.properties.watch import Watch

        self.bg, self.spec, self.prior = bg, ModelSpec, Prior
        data = make_data()
        self.watch = Watch()
        self.data = data.assign(decoy=[self.watch.decoy] * len(data))
        draws = np.random.default_rng(2).normal(size=(2, 50, 4))
        self.effects = xr.DataArray(draws, dims=("chain", "draw", "obs"))
        self.model_json = ModelSpec.build("y ~ x + (x | g)", priors={"beta[x]": Prior("Normal", 0, 1)}).to_json()
        codecs.lookup("unicode_escape")  # Python imports it for the first escape in a text
        for _ in range(2):  # the first round imports
            self.watch.known.clear()
            safe.parse_terms.cache_clear()
            safe.check_expression.cache_clear()
            for text in (*VALID, "y ~ decoy", "decoy ~ x", "y ~ (1 | decoy)", "y ~ log(decoy)", "y ~ no", "y ~ C(f)"):
                self.watch.learn(lambda text=text: (self.parse(text)(), self.build(text)()))
            for text in ("b1 - b2 = 0", "exp(b1) / b2 < 2", "b9"):
                self.watch.learn(self.hypothesis(text))
            self.watch.learn(self.keyed("sd[g][x]"))
            self.watch.learn(lambda: ModelSpec.from_json(self.model_json))

    def family(self, text: str) -> str:
        left = text.partition("~")[0]
        return "binomial" if "p(" in left else "bernoulli" if left.strip() == "b" else "gaussian"

    def parse(self, text: str) -> Callable[[], Any]:
        return lambda: self.spec.build(text, self.family(text), columns=self.data.columns)

    def build(self, text: str) -> Callable[[], Any]:
        return lambda: self.bg.GLMM(text, self.data, family=self.family(text))

    def hypothesis(self, text: Any) -> Callable[[], Any]:
        return lambda: self.bg.hypotheses(self.effects, text)

    def keyed(self, key: str) -> Callable[[], Any]:
        prior = self.prior("HalfNormal", sigma=1)
        return lambda: self.bg.GLMM("y ~ x + (x | g)", self.data, priors={key: prior})


def planted(watch: Any) -> dict[str, bool]:
    """Do what no formula may do, and say what of it the watch sees."""
    import builtins
    import os

    acts: dict[str, Callable[[], Any]] = {
        "code from text": lambda: eval("abs(-1)"),
        "the canary": lambda: builtins.canary(),
        "a decoy's attribute": lambda: getattr(watch.decoy, "system", None),
        "a decoy called": lambda: watch.decoy(),
        "an import": lambda: __import__("no_such_module"),
        "a file": lambda: open(os.devnull).close(),
        "a command": lambda: os.system("true"),
        "a process": lambda: subprocess.run(["true"], check=True),
        "a socket": lambda: socket.socket().close(),
        "code of a name": lambda: eval(compile("x", "", "eval"), {"x": 1}),
    }
    found = {}
    for name, act in acts.items():
        outcome = watch.judge(nothing, act)
        found[name] = bool(outcome.intrusions)
    return found


def nothing() -> None:
    """What is left to do where a text is read in one step."""


def other_text(reader: Reader, rng: Random) -> tuple[str, Any, Callable[[], Any]]:
    """Return a kind, a text that is no formula, and what reads it."""
    from tests.properties import hostile

    kind = rng.choice(["hypotheses", "keys of priors", "JSON of models", "descriptions of priors"])
    term = hostile.KINDS[rng.choice(list(hostile.KINDS))](rng).partition("~ ")[2]
    if kind == "hypotheses":
        valid = ("b1 - b2 = 0", "exp(b1) < 2", "`b1` / b3 >= log(b2)", "b1**2 + sqrt(abs(b4)) == 0", "pairwise")
        text = rng.choice([term, f"b1 - {term} = 0", hostile.mutated(rng.choice(valid), rng, 2), f"exp({term}) > b2"])
        return kind, text, reader.hypothesis(rng.choice([text, [text, "b1"], {"label": text}]))
    if kind == "keys of priors":
        valid = ("sd[g][x]", "beta[x]", "corr[g]", "Intercept", "precision[sigma]", "variance[g]")
        text = rng.choice([term, f"beta[{term}]", f"sd[g][{term}]", hostile.mutated(rng.choice(valid), rng, 2)])
        return kind, text, reader.keyed(text)
    if kind == "JSON of models":
        text = rng.choice([hostile.mutated(reader.model_json, rng, 2), rng.choice(["[", '{"a":', "1"]) * 9000, term])
        return kind, text, lambda: reader.spec.from_json(text)
    values: list[Any] = [None, 1, -1.5, "x", "inf", [], {}, True, 10**400, term, {"mu": 1}, ["mu"], {"sigma": term}]
    values += [{"name": 1}, {"self": 1}, {"mu": "0", "sigma": "1"}, {"mu": None, "sigma": [1]}, "Normal", "LKJ"]
    described = {rng.choice(["name", "nam", "parameters"]): rng.choice(values), "parameters": rng.choice(values)}
    named = {"name": rng.choice(["Normal", "LKJ", "Uniform", term]), "parameters": rng.choice(values)}
    described = rng.choice([described, named, named, rng.choice(values)])
    return kind, described, lambda: reader.prior.from_dict(described)


def child(count: int, seed: int) -> dict[str, Any]:
    """Read `count` texts; the report as JSON holds it."""
    import time

    from tests.properties.hostile import KINDS

    warnings.simplefilter("ignore")  # mutated data warn of much; nothing here is about that
    started, rng, reader = time.process_time(), Random(seed), Reader()
    kinds: dict[str, Counter] = {}
    slowest: Counter = Counter()
    faults: list[tuple[str, str, str]] = []
    names = list(KINDS)
    for number in range(count):
        if number % 100 < FORMULAS:
            kind = names[number % len(names)]
            text: Any = KINDS[kind](rng)
            outcome = reader.watch.judge(reader.parse(text), reader.build(text))
        else:
            kind, text, read = other_text(reader, rng)
            outcome = reader.watch.judge(nothing, read)
        row = kinds.setdefault(kind, Counter())
        row.update(["tried", outcome.verdict])
        row["intrusions"] += bool(outcome.intrusions)
        slowest[kind] = max(slowest[kind], outcome.seconds)
        if outcome.verdict == "other exception":
            faults.append(("other exception", str(text)[:300], outcome.detail))
        if outcome.intrusions:
            faults.append(("intrusion", str(text)[:300], "; ".join(outcome.intrusions[:4])))
        if outcome.seconds > SLOWEST:
            faults.append(("slow", str(text)[:300], f"{outcome.seconds:.1f} s"))
    table = {
        kind: {
            **{name: row[name] for name in ("tried", *VERDICTS, "intrusions")}, "slowest": round(slowest[kind], 3)
        }
        for kind, row in kinds.items()
    }  # fmt: skip
    seconds = time.process_time() - started
    report = {"kinds": table, "faults": faults, "events": reader.watch.events, "seconds": round(seconds, 1)}
    return {**report, "planted": planted(reader.watch)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz everything that reads text.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    print(json.dumps(child(options.count, options.seed)) if options.child else section(options.count, options.seed))


if __name__ == "__main__":
    main()
