"""Results as DataFrames that print for reading: rounded by their own size, sentences wrapped, words above them.

Input: a DataFrame of results. Output: a `Table`, which is that DataFrame in full precision with another look.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pandas as pd

from bayes_glmm.errors import GLMMError
from bayes_glmm.printing.excel import write_excel
from bayes_glmm.printing.grid import Column, Grid, as_latex, as_text
from bayes_glmm.printing.html import as_html
from bayes_glmm.printing.markdown import as_markdown
from bayes_glmm.printing.numbers import MISSING, number_columns

if TYPE_CHECKING:
    import polars

#: The first columns of effects: those before them are columns of the user's rows.
_COMPUTED = ("hypothesis", "term", "contrast", "category", "estimate")
#: Entry of ``attrs`` with the sentence above a table.
HEADING = "heading"
#: What columns are called where a table is pasted into a text.
_TITLES = {
    "ci_lower": "lower",
    "ci_upper": "upper",
    "ess_bulk": "ESS (bulk)",
    "ess_tail": "ESS (tail)",
    "r_hat": "R-hat",
    "p_value": "p",
}

Target = str | os.PathLike[str] | IO[str] | None


class Table(pd.DataFrame):
    """A DataFrame of results that prints rounded: two digits of the sd decide a row's decimals.

    Its numbers keep their full precision, and so does what is computed or written from it.

    Parameters
    ----------
    *args, **kwargs
        As `pandas.DataFrame` takes them.
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return Table

    def grid(self) -> Grid:
        """Return the table as text, all rows of it.

        Returns
        -------
        Grid
            Rounded; the sentence above it is ``attrs["heading"]``.
        """
        own = _own_columns(self)
        numbers = number_columns(self, own)
        columns = []
        for level in range(self._label_columns()):
            name = self.index.names[level]
            cells = tuple(map(_words, self.index.get_level_values(level)))
            columns.append(Column("" if name is None else str(name), cells, key=True))
        leading = True
        for position, name in enumerate(map(str, self.columns)):
            values = self.iloc[:, position]
            numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
            leading = leading and not numeric and name not in own
            cells = tuple(numbers[name]) if name in numbers else tuple(map(_words, values))
            columns.append(Column(name, cells, numeric, key=leading, spare=name in own))
        heading = self.attrs.get(HEADING)
        return Grid(tuple(columns), (str(heading),) if heading else ())

    def _shown(self) -> Grid:
        """Return the rows that pandas would show, and how many there are."""
        most, fewer = pd.get_option("display.max_rows"), pd.get_option("display.min_rows")
        if not most or len(self) <= most:
            return self.grid()
        half = max(1, min(fewer or most, most) // 2)
        ends = Table(pd.concat([self.iloc[:half], self.iloc[-half:]]))
        ends.attrs = self.attrs
        grid = ends.grid()
        columns = tuple(replace(c, cells=(*c.cells[:half], "...", *c.cells[half:])) for c in grid.columns)
        return replace(grid, columns=columns, below=(f"{len(self):,} rows.",))

    def _label_columns(self) -> int:
        """Return how many of the first columns shown are the index: none where it only counts."""
        counts = self.index.names == [None] and isinstance(self.index, pd.RangeIndex)
        return 0 if counts else self.index.nlevels

    def _for_paper(self, index: bool = True) -> Grid:
        """Return all rows with intervals in brackets, columns in words and no label twice in a row."""
        grid = self.grid()
        grid = grid if index else replace(grid, columns=grid.columns[self._label_columns() :])
        return in_words(grid, self.attrs.get("ci_prob"))

    def __repr__(self) -> str:
        return as_text(self._shown())

    def _repr_html_(self) -> str:
        return as_html(self._shown())

    def to_markdown(self, buf: Target = None, *, index: bool = True) -> str | None:
        """Write the table, rounded, as Markdown.

        Parameters
        ----------
        buf
            A path or a file to write to; None returns the text.
        index
            Whether the rows' labels are written, where they are more than numbers that count.

        Returns
        -------
        str or None
            A pipe table.
        """
        return _handed(as_markdown(self._for_paper(index)), buf)

    def to_latex(
        self, buf: Target = None, *, caption: str | None = None, label: str | None = None, index: bool = True
    ) -> str | None:
        r"""Write the table, rounded, as LaTeX (with ``\usepackage{booktabs}``).

        Parameters
        ----------
        buf
            A path or a file to write to; None returns the text.
        caption
            The table's caption; None for the ``tabular`` alone.
        label
            What ``\ref`` calls it, where there is a caption.
        index
            Whether the rows' labels are written, where they are more than numbers that count.

        Returns
        -------
        str or None
            LaTeX, the user's names escaped.
        """
        return _handed(as_latex(self._for_paper(index), caption, label), buf)

    def to_html(self, buf: Target = None, *, index: bool = True) -> str | None:
        """Write the table, rounded, as HTML, which word processors open and take from the clipboard.

        Parameters
        ----------
        buf
            A path or a file to write to; None returns the text.
        index
            Whether the rows' labels are written, where they are more than numbers that count.

        Returns
        -------
        str or None
            A ``div``.
        """
        return _handed(as_html(self._for_paper(index)), buf)

    def to_excel(
        self,
        excel_writer: str | os.PathLike[str] | pd.ExcelWriter,
        sheet_name: str = "results",
        *,
        index: bool = True,
    ) -> None:
        """Write the table to an Excel file: numbers in full precision, shown rounded as they print.

        Parameters
        ----------
        excel_writer
            A path ending in ``.xlsx``, or a `pandas.ExcelWriter` with ``engine="openpyxl"`` for several tables in one
            file.
        sheet_name
            The sheet's name. A sheet ``"about <sheet_name>"`` has the sentence above the table and what else its
            ``attrs`` say: for whom, which interval, which scale.
        index
            Whether the rows' labels are written, where they are more than numbers that count.

        Raises
        ------
        GLMMError
            If openpyxl is not installed (``pip install 'bayes_glmm[excel]'``).
        """
        frame = self.with_labels(index)
        # columns of each model where they are by model
        parts = [(f"{top} ", self[top]) for top in self.columns.unique(0)] if self.columns.nlevels > 1 else [("", self)]
        cells: dict[str, list[str]] = {}
        for stem, part in parts:
            cells |= {stem + name: texts for name, texts in number_columns(part, _own_columns(part)).items()}
        words = {key: value for key, value in self.attrs.items() if isinstance(value, str | int | float)}
        write_excel(frame, cells, words, excel_writer, sheet_name)

    def to_polars(self) -> polars.DataFrame:
        """Return the table as a polars DataFrame, full precision, the rows' labels as columns.

        Returns
        -------
        polars.DataFrame
            polars has no place for ``attrs``: what the table is about stays behind.

        Raises
        ------
        GLMMError
            If polars is not installed (``pip install 'bayes_glmm[polars]'``).
        """
        try:
            import polars
        except ImportError:
            raise GLMMError("polars is not installed: pip install 'bayes_glmm[polars]'.") from None
        return polars.from_pandas(self.with_labels())

    def with_labels(self, index: bool = True) -> pd.DataFrame:
        """Return a plain DataFrame with the rows' labels as columns and names of columns as text.

        Parameters
        ----------
        index
            Whether to keep the labels.

        Returns
        -------
        pandas.DataFrame
            Rows counted from zero; columns of several levels have their names joined by a blank.
        """
        frame = pd.DataFrame(self)
        frame.columns = [name if isinstance(name, str) else " ".join(map(str, name)) for name in self.columns]
        names = ["name" if name is None else str(name) for name in self.index.names]
        kept = index and self._label_columns() > 0
        return frame.reset_index(names=names) if kept else frame.reset_index(drop=True)


def _own_columns(frame: pd.DataFrame) -> list[str]:
    """Columns of the user's rows: those before what was computed, but for those that averages are by."""
    names = list(map(str, frame.columns))
    if "averaging" not in frame.attrs or "estimate" not in names:
        return []
    first = min(names.index(name) for name in _COMPUTED if name in names)
    by = frame.attrs.get("by") or ()
    return [name for name in names[:first] if name not in by]


def _words(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def in_words(grid: Grid, prob: float | None) -> Grid:
    """Put a table's columns as a text does: intervals in brackets, titles in words, no label twice in a row.

    Parameters
    ----------
    grid
        The table.
    prob
        Probability of its intervals; None where it is not known.

    Returns
    -------
    Grid
        With a column ``89% interval`` in the place of ``lower`` and ``upper``.
    """
    named = {column.name: column for column in grid.columns}
    columns: list[Column] = []
    previous: list[tuple[str, ...]] = []
    for column in grid.columns:
        stem = column.name.removesuffix("lower")
        if stem != column.name and f"{stem}upper" in named:
            pairs = zip(column.cells, named[f"{stem}upper"].cells, strict=True)
            cells = tuple("" if lower == upper == MISSING else f"[{lower}, {upper}]" for lower, upper in pairs)
            title = f"{stem.removeprefix('ci_')}{'' if prob is None else f'{prob:.0%} '}interval".replace("_", " ")
            columns.append(Column(title, cells, numeric=True))
        elif column.name.removesuffix("upper") + "lower" in named and column.name.endswith("upper"):
            continue
        else:
            cells = column.cells
            if column.key and not column.numeric:
                previous.append(cells)
                cells = tuple(
                    "" if i and all(key[i] == key[i - 1] for key in previous) else cell for i, cell in enumerate(cells)
                )
            columns.append(replace(column, name=_TITLES.get(column.name, column.name.replace("_", " ")), cells=cells))
    empty = [column.key and not any(column.cells) for column in columns]
    return replace(grid, columns=tuple(column for column, none in zip(columns, empty, strict=True) if not none))


def _handed(text: str, buf: Target) -> str | None:
    """Return text, or write it where it is wanted."""
    if buf is None:
        return text
    if isinstance(buf, str | os.PathLike):
        Path(buf).write_text(text, encoding="utf-8")
    else:
        buf.write(text)
    return None
