"""The bars of the engine's goal, each with what was measured and whether it was reached.

Input: medians by case and peer, and the results of `gradient.py` and `walltime.py`. Output: rows of a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cases import HARD, LISTED

BAYESIAN_PEERS = ("bambi-pymc", "bambi-nutpie", "rstanarm")
#: Bars of the hard part where they differ from 1000 effective draws, and where seconds are bounded.
LEAST_ESS = {"toenail": 1500}
MOST_SECONDS = {
    "toenail": 1.5,
    "pairs-1000": 2.7,
    "pairs-4000": 11.8,
    "pairs-20000": 60.0,
    "Chem97-score": 22.0,
    "crossed-100000": 11.9,
    "InstEval": 120.0,
}
Medians = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Bar:
    """A goal, the value measured, and whether it is reached (None: not everything was measured)."""

    goal: str
    measured: str
    reached: bool | None


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean of positive numbers."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def ratio(medians: Medians, case: str, peer: str) -> float | None:
    """Return our ESS a second over a peer's; None where either is missing."""
    ours, theirs = (medians.get((case, name), {}).get("ess_per_s") for name in ("ours", peer))
    return ours / theirs if ours and theirs and math.isfinite(ours) and math.isfinite(theirs) else None


def all_bars(
    medians: Medians,
    gradient: Mapping[str, Any] | None,
    wall: Mapping[str, Any] | None,
    effects: Sequence[Mapping[str, Any]] | None,
) -> list[Bar]:
    """Judge every bar that a benchmark can judge."""
    listed = [case.name for case in LISTED]
    pymc = {case: ratio(medians, case, "bambi-pymc") for case in listed}
    best = {
        case: min((r for peer in BAYESIAN_PEERS if (r := ratio(medians, case, peer)) is not None), default=None)
        for case in listed
    }
    return [
        *_ratio_bars("Bambi with PyMC's NUTS", pymc, 50, 10),
        *_ratio_bars("the best of the three peers", best, 10, 4),
        *_quality_bars({case: medians[case, "ours"] for case in listed if (case, "ours") in medians}),
        *_wall_bars(wall or {}),
        *_gradient_bars(gradient or {}),
        *_hard_bars(medians),
        *(_effects_bar(row) for row in effects or ()),
    ]


def _ratio_bars(against: str, ratios: Mapping[str, float | None], mean: float, each: float) -> list[Bar]:
    known = {case: value for case, value in ratios.items() if value is not None}
    missing = [case for case in ratios if case not in known]
    suffix = f" (not measured: {', '.join(missing)})" if missing else ""
    if not known:
        return [Bar(f"ESS/s against {against}", "not measured", None)]
    average = geometric_mean(known.values())
    worst = min(known, key=lambda case: known[case])
    return [
        Bar(
            f"ESS/s against {against}: geometric mean >= {mean}x",
            f"{average:.1f}x{suffix}",
            _reached(average >= mean, missing),
        ),
        Bar(
            f"ESS/s against {against}: each data set >= {each}x",
            f"{known[worst]:.1f}x on {worst}{suffix}",
            False if known[worst] < each else _reached(True, missing),
        ),
    ]


def _reached(value: bool, missing: list[str]) -> bool | None:
    """Withhold a verdict while data sets are missing."""
    return None if missing else value


def _quality_bars(ours: Mapping[str, Mapping[str, Any]]) -> list[Bar]:
    scored = {case: row for case, row in ours.items() if "ess" in row}
    if not scored:
        return [Bar("quality at defaults", "not measured", None)]
    low = min(scored, key=lambda case: scored[case]["ess_lowest"])
    high = max(scored, key=lambda case: scored[case]["r_hat_highest"])
    divergent = {case: row["divergences"] for case, row in scored.items() if row["divergences"] > 0}
    named = ", ".join(f"{case} {count:g}" for case, count in divergent.items()) or "none"
    return [
        Bar(
            "min(bulk, tail) ESS at defaults >= 1000 on every data set",
            f"{scored[low]['ess_lowest']:.0f} on {low}, lowest of the runs",
            all(row["ess_lowest"] >= 1000 for row in scored.values()),
        ),
        Bar(
            "R-hat < 1.01 on every data set",
            f"{scored[high]['r_hat_highest']:.4f} on {high}, highest of the runs",
            all(row["r_hat_highest"] < 1.01 for row in scored.values()),
        ),
        Bar("no divergences", named, not divergent),
    ]


def _wall_bars(wall: Mapping[str, Any]) -> list[Bar]:
    bars = []
    for case in ("cbpp", "sleepstudy"):
        fit, script = (wall.get(key, {}).get(case) for key in ("fit_s", "script_s"))
        if fit is not None and script is not None:
            bars.append(Bar(f"fit() of {case} at defaults, kernels cached < 1 s", f"{fit:.2f} s", fit < 1))
            bars.append(Bar(f"whole script of {case} with imports < 4 s", f"{script:.2f} s", script < 4))
    if "against_glmer" in wall:
        row = wall["against_glmer"]
        text = f"{row['ours_s']:.2f} s against {row['lme4_s']:.2f} s"
        reached = row["ours_s"] <= row["lme4_s"]
        bars.append(Bar("Contraception: full posterior no slower than lme4::glmer", text, reached))
    if "million" in wall:
        row = wall["million"]
        if row["status"] == "ok":
            minutes, gib = row["seconds"] / 60, row["peak_mib"] / 1024
            text = f"{minutes:.1f} min, {gib:.1f} GiB, ESS {row['ess']:.0f}"
            bars.append(Bar("10^6 rows, 10 000 groups: < 5 min and < 4 GiB", text, minutes < 5 and gib < 4))
        else:
            bars.append(Bar("10^6 rows, 10 000 groups: < 5 min and < 4 GiB", row["status"], False))
    return bars or [Bar("wall times", "not measured", None)]


def _hard_bars(medians: Medians) -> list[Bar]:
    """Judge the hard part: one run each, effective draws, seconds, and ESS a second over that of the quicker Bambi."""
    bars = []
    for case in HARD:
        row = medians.get((case.name, "ours"), {})
        if "ess" not in row:
            continue
        one_run, least = "second_run" not in row["attrs"], LEAST_ESS.get(case.name, 1000)
        goal = f"{case.name}: one run, R-hat < 1.01, min(bulk, tail) ESS >= {least}"
        measured = f"{'one run' if one_run else 'two runs'}, {row['r_hat_highest']:.4f}, {row['ess_lowest']:.0f}"
        bars.append(Bar(goal, measured, one_run and row["r_hat_highest"] < 1.01 and row["ess_lowest"] >= least))
        if case.name in MOST_SECONDS:
            most, seconds = MOST_SECONDS[case.name], row["seconds"]
            bars.append(Bar(f"{case.name}: < {most} s", f"{seconds:.2f} s", seconds < most))
        over = [r for peer in BAYESIAN_PEERS[:2] if (r := ratio(medians, case.name, peer)) is not None]
        if over:
            bars.append(Bar(f"{case.name}: ESS/s >= 20x Bambi's", f"{min(over):.1f}x", min(over) >= 20))
    return bars


def _effects_bar(row: Mapping[str, Any]) -> Bar:
    goal = f"average comparison, {row['rows']:.0e} rows x {row['draws']} draws, {row['link']}, {row['random_effects']}"
    goal += ": < 30 s, <= 1 GiB"
    if row["status"] != "ok":
        return Bar(goal, row["status"], False)
    seconds, mib = row["seconds"], row["peak_mib"]
    return Bar(goal, f"{seconds:.0f} s, {mib:.0f} MiB", seconds < 30 and mib <= 1024)


def _gradient_bars(gradient: Mapping[str, Any]) -> list[Bar]:
    if not gradient:
        return [Bar("cost of one gradient", "not measured", None)]
    rows = gradient["bernoulli"]
    per_row = {row["rows"]: row["coordinates_ns_per_row"] for row in rows}
    linear = max(per_row.values()) / min(per_row.values())
    times = [row["gradient_us"] for row in gradient["gaussian"]]
    flat = max(times) / min(times)
    shown = ", ".join(f"{n:.0e}: {value:.1f}" for n, value in per_row.items())
    return [
        Bar("one gradient <= 15 ns a row (logit, one core)", shown + " ns", max(per_row.values()) <= 15),
        Bar("linear in rows (largest over smallest ns a row <= 1.5)", f"{linear:.2f}", linear <= 1.5),
        Bar("Gaussian: independent of rows (largest over smallest <= 1.5)", f"{flat:.2f}", flat <= 1.5),
    ]
