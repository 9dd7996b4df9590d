"""The command line: what it prints, writes and refuses, and how it ends. Real processes where the process matters."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bayes_glmm as bg
from bayes_glmm.cli import FINE, INTERRUPTED, REFUSED, UNREAD, UNRELIABLE, main

QUICK = ["--method", "laplace", "--seed", "1", "--quiet"]
SHORT = ["--draws", "60", "--tune", "30", "--chains", "2", "--seed", "1", "--quiet"]


def process(*arguments, stdin=None):
    environment = {**os.environ, "PYTHONPATH": str(Path(bg.__file__).parents[1]), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "bayes_glmm", *arguments], capture_output=True, text=True, input=stdin, env=environment
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory, sleepstudy):
    path = tmp_path_factory.mktemp("data") / "sleep.csv"
    sleepstudy.to_csv(path, index=False)
    return str(path)


def test_a_table_from_standard_input_becomes_a_fit_and_a_report(tmp_path, sleepstudy):
    fit, report = tmp_path / "fit.nc", tmp_path / "report.html"
    done = process(
        "fit", "-", "Reaction ~ Days + (1 | Subject)", *QUICK, "--save", str(fit), "--report", str(report),
        "--question", "Slower?", "--prior", "beta=Normal(0, 50)", stdin=sleepstudy.to_csv(index=False),
    )  # fmt: skip
    assert done.returncode == FINE, done.stderr
    assert "Reaction ~ Days + (1 | Subject)" in done.stdout and re.search(r"Days +\d+\.\d", done.stdout)
    assert done.stderr.split("\n")[-3:-1] == [f"bayes-glmm: saved: {fit}", f"bayes-glmm: report: {report}"]
    saved = bg.load(fit)
    assert [name for name, _ in saved.model.spec.priors] == ["beta"]
    assert saved.attrs["call"] == "fit(method='laplace', random_seed=1)" and saved.attrs["random_seed"] == 1
    assert "Slower?" in report.read_text(encoding="utf-8")
    again = process("report", str(fit), str(tmp_path / "again.md"))
    assert again.returncode == FINE and (tmp_path / "again_files" / "levels-1.svg").exists()
    judged = process("check", str(fit))
    assert (
        judged.returncode == UNRELIABLE and "Approximate (laplace)" in judged.stdout and "uniformity" in judged.stdout
    )


def test_draws_that_cannot_be_relied_on_end_with_one(table, capsys):
    assert main(["fit", table, "Reaction ~ Days + (Days | Subject)", *SHORT]) == UNRELIABLE
    printed = capsys.readouterr()
    assert "Do not rely on these draws yet" in printed.out and printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv", "y ~ x"], "There is no file nowhere.csv"),
        (["data.sav", "y ~ x"], "must end in one of .csv"),
        (["{table}", "Reaction ~ Dais"], "Did you mean 'Days'"),
        (["{table}", "Reaction ~ Days +"], "A term is missing"),
        (["{table}", "Reaction ~ Days", "--family", "poison"], "poisson"),
        (["{table}", "Reaction ~ Days", "--prior", "beta"], "NAME=PRIOR"),
        (["{table}", "Reaction ~ Days", "--prior", "betta=Normal(0, 1)"], "beta"),
        (["{table}", "y ~ x", "--prior", "beta=Normal(0, 1)", "--prior", "beta = Normal(0, 2)"], "twice for beta"),
        (
            ["{table}", "Reaction ~ Days", "--save", "a.html", "--report", "./a.html"],
            "--save and --report are the same",
        ),
        (["{table}", "Reaction ~ Days", "--save", "{table}"], "DATA and --save are the same file"),
        (["{table}", "Reaction ~ Days", "--draws", "0"], "draws= must be a whole number of at least 1"),
        (["{table}", "Reaction ~ Days", "--save", "/no/such/folder/fit.nc"], "There is no folder"),
        (["{table}", "Reaction ~ Days", "--report", "report.pdf"], ".html"),
        (["{table}", "Reaction ~ Days", "--question", "Why?"], "--report"),
    ],
    ids=lambda value: " ".join(value[1:])[:40] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_in_words(table, capsys, arguments, words):
    assert main(["fit", *(one.format(table=table) for one in arguments)]) == REFUSED
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err and "Traceback" not in printed.err
    assert printed.err.startswith("bayes-glmm: error: ")


def test_a_broken_table_is_refused(tmp_path, capsys):
    for name, content in {
        "a.csv": b"x,y\n1,2,3\n4\n5,6,7,8\n",
        "b.parquet": b"no",
        "c.csv": b"\xff\xfe\x00",
        "d.csv": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert main(["fit", str(tmp_path / name), "y ~ x"]) == REFUSED
        assert f"{name} cannot be read as" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"y;x\n1;2\n1,5;2,5\n", "seems to be separated by semicolons, not by commas"),
        (b"y\tx\n1\t2\n", "seems to be separated by tabs, not by commas"),
        ("y,größe\n1,2\n".encode("latin-1"), "is not UTF-8. Save it as UTF-8"),
    ],
)
def test_csv_as_europe_writes_it_is_named(tmp_path, capsys, monkeypatch, content, words):
    (tmp_path / "a.csv").write_bytes(content)
    assert main(["fit", str(tmp_path / "a.csv"), "y ~ x"]) == REFUSED
    assert words in capsys.readouterr().err
    with (tmp_path / "a.csv").open(encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert main(["fit", "-", "y ~ x"]) == REFUSED
    assert words in capsys.readouterr().err


def test_a_report_does_not_replace_its_fit(tmp_path, capsys):
    (tmp_path / "fit.html").write_text("a fit")
    assert main(["report", str(tmp_path / "fit.html"), str(tmp_path / "fit.html")]) == REFUSED
    assert "FIT and REPORT are the same file" in capsys.readouterr().err
    assert (tmp_path / "fit.html").read_text() == "a fit"


def test_files_are_written_though_nobody_reads(tmp_path, table):
    saved, report = tmp_path / "fit.nc", tmp_path / "report.md"
    words = ["fit", table, "Reaction ~ Days", *QUICK, "--save", str(saved), "--report", str(report)]
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(Path(bg.__file__).parents[1])}
    command = [sys.executable, "-m", "bayes_glmm", *words]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(write)
    assert done.returncode == UNREAD and bg.load(saved).approximate and report.exists()
    assert done.stderr.splitlines() == [f"bayes-glmm: saved: {saved}", f"bayes-glmm: report: {report}"]


def test_an_interruption_is_one_line(table, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayes_glmm.glmm.model.GLMM.fit", interrupted)
    assert main(["fit", table, "Reaction ~ Days"]) == INTERRUPTED
    assert capsys.readouterr().err == "bayes-glmm: interrupted\n"


@pytest.mark.parametrize(("name", "write"), [("t.tsv", "tsv"), ("t.parquet", "parquet"), ("t.csv.gz", "csv")])
def test_kinds_of_tables(tmp_path, sleepstudy, capsys, name, write):
    path = tmp_path / name
    if write == "parquet":
        sleepstudy.to_parquet(path)
    else:
        sleepstudy.to_csv(path, index=False, sep="\t" if write == "tsv" else ",")
    assert main(["fit", str(path), "Reaction ~ Days", *QUICK]) == FINE
    assert "rows: 180" in capsys.readouterr().out


def test_dropped_rows_are_said_without_a_place_in_the_code(tmp_path, sleepstudy, capsys):
    sleepstudy.assign(Days=sleepstudy["Days"].where(sleepstudy.index != 3)).to_csv(tmp_path / "gap.csv", index=False)
    assert main(["fit", str(tmp_path / "gap.csv"), "Reaction ~ Days", *QUICK]) == FINE
    error = capsys.readouterr().err
    assert error.startswith("bayes-glmm: warning: ") and "Days" in error and ".py" not in error
    assert main(["fit", str(tmp_path / "gap.csv"), "Reaction ~ Days", *QUICK, "--missing", "error"]) == REFUSED


def test_wrong_usage_ends_with_two(capsys):
    for arguments in ([], ["fot"], ["fit"], ["fit", "a.csv", "y ~ x", "--draws", "many"], ["check", "a", "b"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == REFUSED and "usage: bayes-glmm" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "check", "report", None])
def test_help_has_examples_and_exit_codes(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([*([command] if command else []), "--help"])
    words = capsys.readouterr().out
    assert ended.value.code == FINE and "bayes-glmm fit" in words or f"bayes-glmm {command}" in words
    assert "exit codes:" in words and "\n  2  not done" in words


def test_files_that_are_no_fit(tmp_path, capsys):
    (tmp_path / "fit.nc").write_text(json.dumps({}))
    for arguments in (["check", "{}"], ["report", "{}", "r.html"]):
        assert main([one.format(tmp_path / "fit.nc") for one in arguments]) == REFUSED
        assert "does not end as a fit that this package saved" in capsys.readouterr().err


def test_the_installed_name_is_this_function():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"bayes-glmm": "bayes_glmm.cli:main"}
