"""The package from a shell: fit, check and report, for pipelines and for people who do not write Python.

Input: the words of a command line. Output: text on standard output, progress and errors on standard error, files where
they are asked for, and an exit code that says how it went.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from bayes_glmm.errors import ConvergenceWarning, DataWarning, GLMMError

if TYPE_CHECKING:
    from bayes_glmm.glmm.fitted import FittedGLMM

FINE, UNRELIABLE, REFUSED = 0, 1, 2
#: As a shell counts what ended by Ctrl-C, or because nobody reads its output any more.
INTERRUPTED, UNREAD = 130, 141
_CODES = """\
exit codes:
  0  done, and the draws passed every check
  1  done, but the draws cannot be relied on: the verdict says why
  2  not done: wrong arguments, or data, formula or file were refused
  130  interrupted; 141  done, but nobody read the output to its end
"""
_DESCRIPTION = "Bayesian generalized linear mixed models from a formula and a table."
_EXAMPLES = f"""\
examples:
  bayes-glmm fit data.csv "y ~ x + (1 | group)" --family poisson --seed 1 --save fit.nc --report report.html
  bayes-glmm check fit.nc
  bayes-glmm report fit.nc report.md

{_CODES}"""
_FIT = f"""\
Fit a model, print its summary and the verdict on the draws, and write what is asked for.

DATA is a .csv, .tsv, .parquet, .feather or .xlsx file (its first sheet), or - for CSV on standard input. Text
columns are factors; factor(x) makes one of numbers that stand for levels. FORMULA is lme4's: put it in quotes.

examples:
  bayes-glmm fit cbpp.csv "p(incidence, size) ~ factor(period) + (1 | herd)" --family binomial
  bayes-glmm fit sleep.csv "Reaction ~ Days + (Days | Subject)" --save sleep.nc --report sleep.html \\
      --question "How much slower are reactions after each night of short sleep?"
  zcat counts.csv.gz | bayes-glmm fit - "y ~ x + (1 | site)" --family poisson --prior "beta=Normal(0, 1)" --quiet

{_CODES}
An approximation that was asked for (--method laplace) ends with 0.
"""
_CHECK = f"""\
Print the verdict on the draws of a saved fit, what its answers depend on besides the data, and tests of its residuals.

The exit code is about the draws alone: residuals are for people to judge. An approximate fit ends with 1.

example:
  bayes-glmm check fit.nc && bayes-glmm report fit.nc report.html

{_CODES}"""
_REPORT = f"""\
Write a report of a saved fit: one HTML file that needs no internet, or Markdown with its figures in a folder beside it.

examples:
  bayes-glmm report fit.nc report.html --question "Does the treatment help?"
  bayes-glmm report fit.nc report.md --ci-prob 0.95

{_CODES}"""
_PRIOR = re.compile(r"(.+?)\s*=\s*([A-Za-z]+(?:\(.*\))?)\s*")
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_CALLED = {",": "commas", ";": "semicolons", "\t": "tabs"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line asks for.

    Parameters
    ----------
    arguments
        Its words; None for those of this process.

    Returns
    -------
    int
        The exit code: 0 for done, 1 for draws that cannot be relied on, 2 for not done, 130 for interrupted, 141 where
        nobody reads the output any more.
    """
    try:
        try:
            return _done(_parser().parse_args(arguments))
        finally:
            sys.stdout.flush()  # here, where a reader that has gone is no failure
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return UNREAD
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED


def _done(options: argparse.Namespace) -> int:
    command: Callable[[argparse.Namespace], int] = options.command
    with warnings.catch_warnings():
        # the verdict is printed in any case
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = _show_warning
        try:
            return command(options)
        except GLMMError as error:
            _say("error: " + "\n".join([str(error), *getattr(error, "__notes__", ())]))
            return REFUSED


def _parser() -> argparse.ArgumentParser:
    look: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("bayes-glmm", description=_DESCRIPTION, epilog=_EXAMPLES, **look)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    fit = commands.add_parser("fit", help="fit a model to a table", description=_FIT, **look)
    _add_fit(fit)
    check = commands.add_parser("check", help="judge a saved fit", description=_CHECK, **look)
    check.add_argument("fit", metavar="FIT", help="a file that fit --save or fit.save() wrote")
    check.set_defaults(command=_check)
    report = commands.add_parser("report", help="write a report of a saved fit", description=_REPORT, **look)
    report.add_argument("fit", metavar="FIT", help="a file that fit --save or fit.save() wrote")
    report.add_argument("path", metavar="REPORT", help="the file to write, .html or .md")
    _add_report(report)
    report.set_defaults(command=_report)
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="the table")
    parser.add_argument("formula", metavar="FORMULA", help='such as "y ~ x + (1 | group)"')
    model = parser.add_argument_group("model")
    model.add_argument("--family", default="gaussian", help="response distribution (default: gaussian)")
    model.add_argument("--link", help="link function (default: the family's own)")
    model.add_argument(
        "--prior", action="append", default=[], metavar="NAME=PRIOR",
        help='a prior, such as "beta=Normal(0, 1)" or "sd[group]=HalfNormal(1)"; may be given several times',
    )  # fmt: skip
    model.add_argument(
        "--missing", default="drop", help="drop rows with missing values, error, or predict (default: drop)"
    )
    run = parser.add_argument_group("run")
    run.add_argument("--method", default="nuts", help="nuts, or laplace for an approximation (default: nuts)")
    for name, words in (
        ("draws", "kept draws of each chain (default: 1000)"),
        ("tune", "warm-up draws of each chain"),
        ("cores", "chains that run at once (default: all processors)"),
        ("seed", "the same seed gives the same draws; the summary of --report says which was used"),
    ):
        run.add_argument(f"--{name}", type=int, metavar="N", help=words)
    run.add_argument("--chains", type=int, default=4, metavar="N", help="number of chains (default: 4)")
    run.add_argument("--target-accept", type=float, metavar="P", help="take smaller steps: 0.95, say")
    run.add_argument("--quiet", action="store_true", help="show no progress")
    files = parser.add_argument_group("files and what they say")
    files.add_argument("--save", metavar="FILE", help="write the fit, such as fit.nc; bg.load reads it in Python")
    files.add_argument("--report", metavar="FILE", help="write a report, .html or .md")
    _add_report(files)
    parser.set_defaults(command=_fit)


def _add_report(parser: Any) -> None:
    parser.add_argument("--question", metavar="TEXT", help="what was asked; it stands at the report's top")
    parser.add_argument("--title", metavar="TEXT", help="the report's title")
    parser.add_argument("--ci-prob", type=float, metavar="P", help="probability of intervals (default: 0.89)")


class _Version(argparse.Action):
    """Show the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib.metadata import version

        parser.exit(FINE, f"bayes-glmm {version('bayes_glmm')}\n")


# commands ------------------------------------------------------------------------------------------------------------


def _fit(options: argparse.Namespace) -> int:
    from bayes_glmm.glmm.model import GLMM
    from bayes_glmm.printing.files import checked_target
    from bayes_glmm.report.written import report_target

    # before hours of work, not after them
    files = {"DATA": None if options.data == "-" else Path(os.path.realpath(options.data))}
    files["--save"] = None if options.save is None else checked_target(options.save, "fit.nc")
    files["--report"] = None if options.report is None else report_target(options.report)
    _check_apart(files)
    if options.report is None and (options.question is not None or options.title is not None):
        raise GLMMError("--question and --title are of a report: add --report report.html.")
    priors = _priors(options.prior)
    model = GLMM(
        options.formula,
        read_table(options.data),
        family=options.family,
        link=options.link,
        priors=priors or None,
        missing=options.missing,
    )
    fit = model.fit(
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        cores=options.cores,
        random_seed=options.seed,
        method=options.method,
        target_accept=options.target_accept,
        progressbar=not options.quiet,
    )
    try:  # files first: printing may fail where the reader has gone
        if options.save is not None:
            _say(f"saved: {fit.save(options.save)}")
        if options.report is not None:
            _write_report(fit, options, options.report)
    finally:
        print(fit.summary(ci_prob=options.ci_prob))
    return FINE if fit.approximate or fit.convergence.passed else UNRELIABLE


def _check(options: argparse.Namespace) -> int:
    from bayes_glmm.checks.residual_tests import check_residuals
    from bayes_glmm.checks.residuals import simulate_residuals
    from bayes_glmm.glmm.saved import load

    fit = load(options.fit)
    print(fit.diagnose())
    print()
    print(check_residuals(simulate_residuals(fit, random_seed=1)))
    return FINE if fit.convergence.passed else UNRELIABLE


def _report(options: argparse.Namespace) -> int:
    from bayes_glmm.glmm.saved import load
    from bayes_glmm.report.written import report_target

    _check_apart({"FIT": Path(os.path.realpath(options.fit)), "REPORT": report_target(options.path)})
    fit = load(options.fit)
    _write_report(fit, options, options.path)
    return FINE if fit.approximate or fit.convergence.passed else UNRELIABLE


def _write_report(fit: FittedGLMM, options: argparse.Namespace, path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")  # no windows
    written = fit.report(path, question=options.question, title=options.title, ci_prob=options.ci_prob)
    _say(f"report: {written}")


def _check_apart(files: dict[str, Path | None]) -> None:
    """Refuse to write a file over another one of the same command."""
    named = [(name, path) for name, path in files.items() if path is not None]
    for number, (name, path) in enumerate(named):
        for other, same in named[:number]:
            if same == path:
                raise GLMMError(f"{other} and {name} are the same file, {path}: the second would destroy the first.")


def _priors(texts: Sequence[str]) -> dict[str, str]:
    priors: dict[str, str] = {}
    for name, prior in map(_prior, texts):
        if name in priors:
            raise GLMMError(f"--prior is given twice for {name}: {priors[name]} and {prior}. Keep one of them.")
        priors[name] = prior
    return priors


def _prior(text: str) -> tuple[str, str]:
    found = _PRIOR.fullmatch(text)
    if found is None:
        raise GLMMError(f"--prior takes NAME=PRIOR, such as 'beta=Normal(0, 1)', not {text!r}.")
    return found[1], found[2]


# tables --------------------------------------------------------------------------------------------------------------


def read_table(source: str) -> Any:
    """Read a table by the ending of its name.

    Parameters
    ----------
    source
        A file, or ``"-"`` for CSV on standard input.

    Returns
    -------
    pandas.DataFrame
        The table.

    Raises
    ------
    GLMMError
        If the file is missing, cannot be read, or ends in something that is not known.
    """
    import pandas as pd

    path = Path(source)
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    kind = ".csv" if source == "-" else next((one for one in endings if one in _SEPARATORS), "".join(endings[-1:]))
    readers = {".parquet": pd.read_parquet, ".feather": pd.read_feather, ".xlsx": pd.read_excel, ".xls": pd.read_excel}
    if kind not in _SEPARATORS and kind not in readers:
        known = ", ".join([*_SEPARATORS, *readers])
        raise GLMMError(f"{source}: its name must end in one of {known} (CSV may be compressed: .csv.gz).")
    try:
        if kind in readers:
            return readers[kind](path)
        content = io.BytesIO(sys.stdin.buffer.read()) if source == "-" else path
        return _separated(source, content, _SEPARATORS[kind])
    except FileNotFoundError:
        raise GLMMError(f"There is no file {source}.") from None
    except ImportError as error:
        raise GLMMError(f"{source}: {error}") from None
    except UnicodeDecodeError:
        what = f"{source} cannot be read as {kind[1:]}: it is not UTF-8"
        raise GLMMError(f"{what}. Save it as UTF-8 (in Excel: CSV UTF-8), or as .xlsx.") from None
    except (OSError, ValueError) as error:  # pandas' and pyarrow's errors about content are ValueErrors
        raise GLMMError(f"{source} cannot be read as {kind[1:]}: {error}") from None


def _separated(source: str, content: Path | io.BytesIO, separator: str) -> Any:
    """Read a table of separated values, and refuse one that is separated by something else."""
    import pandas as pd

    names = pd.read_csv(content, sep=separator, encoding="utf-8-sig", nrows=0).columns
    other = next((one for one in _CALLED if len(names) == 1 and one in str(names[0])), None)
    if other is not None:
        raise GLMMError(
            f"{source} seems to be separated by {_CALLED[other]}, not by {_CALLED[separator]}: its first line is one "
            f"name, {str(names[0])!r}. Save it as .xlsx or as CSV with commas between columns and points in numbers "
            "(in R: write.csv, not write.csv2); a file separated by tabs must end in .tsv."
        )
    if isinstance(content, io.BytesIO):
        content.seek(0)
    return pd.read_csv(content, sep=separator, encoding="utf-8-sig")


def _say(words: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # files are written whether or not anybody reads this
        print(f"bayes-glmm: {words}", file=sys.stderr)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    _say(f"warning: {message}")
