"""Progress: what is left is never said to be nothing, logs get a line now and then, short work is silent."""

import io
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import bayes_glmm as bg
from bayes_glmm import progress
from bayes_glmm.inference.nuts import follower
from bayes_glmm.progress import Progress, duration, part_of, tracked


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Lines:
    """A surface that keeps what it is shown."""

    def __init__(self):
        self.said, self.shown, self.closed = [], [], []

    def say(self, words):
        self.said.append(words)

    def show(self, words, share, seconds):
        self.shown.append((seconds, share, words))

    def close(self, words):
        self.closed.append(words)


def seconds_left(words: str) -> float:
    match = re.search(r"about (?:(\d+) min )?(\d+) s left", words)
    return 60 * float(match[1] or 0) + float(match[2])


def test_what_is_left_is_right_where_the_pace_is_steady():
    clock, lines = Clock(), Lines()
    bar = Progress("Sampling", 1000, unit="draws", surface=lines, clock=clock)
    for done in range(1, 1000):
        clock.now = 0.1 * done
        bar.update(done)
    for seconds, share, words in lines.shown:
        assert seconds_left(words) == pytest.approx(max(1, 100 - seconds), abs=1.1)
        assert share == pytest.approx(seconds / 100)
    bar.update(1000)
    bar.close()
    assert lines.closed == ["Sampling: 1,000 draws, 1 min 40 s"] and "left" not in lines.shown[-1][2]


def test_a_chain_that_lags_is_seen():
    clock, lines = Clock(), Lines()
    follow = follower(Progress("Sampling", 4000, surface=lines, clock=clock))
    for step in range(1, 1000):
        clock.now = 0.04 * step
        done = [min(1000, clock.now * pace) for pace in (100, 80, 50, 25)]
        follow(
            [
                SimpleNamespace(finished_draws=int(one), total_draws=1000, runtime_ms=1000 * one / pace)
                for one, pace in zip(done, (100, 80, 50, 25), strict=True)
            ]
        )
    for seconds, _, words in lines.shown:
        assert seconds_left(words) == pytest.approx(max(1, 40 - seconds), abs=2)


def test_short_work_and_unwanted_progress_are_silent(capsys):
    assert list(tracked(range(3), 3, "Integrating")) == [0, 1, 2]
    bar = Progress("Sampling", 10, shown=False, reason="why")
    bar.update(5)
    bar.close()
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_a_line_now_and_then(capsys):
    clock = Clock()
    bar = Progress("Sampling", 10_000, unit="draws", clock=clock)
    for done in range(1, 10_001):
        clock.now = done / 10
        bar.update(done)
    bar.close()
    lines = capsys.readouterr().err.splitlines()
    assert 15 <= len(lines) <= 22 and all(line.startswith("bayes_glmm: Sampling: ") for line in lines)
    assert "left" in lines[0] and "10 s; about" in lines[0] and lines[-1].endswith("10,000 draws, 16 min 40 s")


def test_a_terminal_line_is_written_over_and_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stderr", Terminal())
    clock = Clock()
    bar = Progress("A label that is rather long for so narrow a terminal", 100, clock=clock, reason="Again: R-hat 1.02")
    for done in range(1, 101):
        clock.now = float(done)
        bar.update(done)
    bar.close()
    told = sys.stderr.getvalue()
    assert told.startswith("Again: R-hat 1.02\n") and told.endswith("\n") and told.count("\n") == 2
    assert all(len(line) < 60 for line in told.split("\n")[1].split("\r"))


def test_what_work_is_part_of_stands_before_it():
    lines, clock = Lines(), Clock()
    with part_of("a (model 1 of 2)"):
        bar = Progress("Integrating", 2, surface=lines, clock=clock)
    bar.close()
    assert lines.closed == ["a (model 1 of 2): Integrating: 0 of 2, 0.0 s"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (9.96, "10 s"), (0.3, "0.3 s")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.fixture
def told(monkeypatch):
    lines = Lines()
    monkeypatch.setattr(progress, "_surface_here", lambda: lines)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    return lines


def test_comparisons_and_refits_show_where_they_are(told, cbpp_fit):
    tree = cbpp_fit.dt.copy()
    for group in ("posterior", "sample_stats"):
        tree[group] = tree[group].to_dataset().isel(draw=slice(50))
    fit = replace(cbpp_fit, dt=tree)
    bg.compare({"small": fit, "large": fit}, unit="herd", refits=False)
    assert told.closed[0].startswith("small (model 1 of 2): Integrating effects out: 15 levels of herd, ")
    assert any(line.startswith("large (model 2 of 2): ") for line in told.closed)
    told.closed.clear()
    bg.kfold(fit, k=2, random_seed=1)
    assert told.closed[0].startswith("Fitting without one fold: 2 folds, ")


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")
def test_sampling_counts_draws_and_a_second_run_says_why(told):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(60), 3), "x": rng.normal(size=180)})
    effects = 3 * rng.standard_t(1.2, 60).clip(-4, 4)
    data["y"] = rng.poisson(np.exp(0.2 * data["x"] + effects[data["g"]]))
    fit = bg.GLMM("y ~ x + (x | g)", data, family="gaussian").fit(random_seed=3)
    assert told.closed[0].startswith("Sampling: 4,600 draws of 4 chains")
    assert told.closed[1].startswith("Second run: 8,000 draws of 4 chains")
    assert told.said == [fit.attrs["second_run"].replace("sampled again", "sampling again")]
