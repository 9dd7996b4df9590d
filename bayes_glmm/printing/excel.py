"""Tables as sheets of Excel: numbers in full precision, shown rounded, beside a sheet that says what they are.

Input: a plain table, its cells as they print, and words about it. Output: two sheets of an openpyxl workbook.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd

from bayes_glmm.errors import GLMMError

__all__ = ["write_excel"]

_LONGEST_NAME = 31


def write_excel(
    frame: pd.DataFrame,
    cells: Mapping[str, Sequence[str]],
    words: Mapping[str, Any],
    target: str | os.PathLike[str] | pd.ExcelWriter,
    sheet_name: str,
) -> None:
    """Write a table and what is said about it.

    Parameters
    ----------
    frame
        The table, labels of rows as columns.
    cells
        Column -> its numbers as they print, which decide the decimals that Excel shows.
    words
        What the table is about, name -> value; written to a sheet of its own.
    target
        A path, or a `pandas.ExcelWriter` of the engine openpyxl, for several tables in one file.
    sheet_name
        The sheet's name; that of the words is ``"about <sheet_name>"``.

    Raises
    ------
    GLMMError
        If openpyxl is not installed, or the writer is another engine's.
    """
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise GLMMError("Excel files are written by openpyxl: pip install 'bayes_glmm[excel]'.") from None
    opened: Any = (
        nullcontext(target)
        if isinstance(target, pd.ExcelWriter)
        else pd.ExcelWriter(os.fspath(target), engine="openpyxl")
    )
    with opened as writer:
        if writer.engine != "openpyxl":
            raise GLMMError(f"Give pandas.ExcelWriter(path, engine='openpyxl'), not one of {writer.engine!r}.")
        _sheet(writer.book, sheet_name, frame, cells)
        if words:
            about = pd.DataFrame({"about": list(words), "": [_value(one) for one in words.values()]})
            _sheet(writer.book, f"about {sheet_name}"[:_LONGEST_NAME], about, {})


def _sheet(book: Any, name: str, frame: pd.DataFrame, cells: Mapping[str, Sequence[str]]) -> None:
    """Write one sheet: a bold line of names that stays in sight, a cell for each value."""
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(name)
    sheet.freeze_panes = "A2"
    for place, column in enumerate(frame.columns):
        _put(sheet, 1, place + 1, str(column)).font = Font(bold=True)
        shown = cells.get(column, ())
        longest = len(str(column))
        for row, value in enumerate(frame.iloc[:, place].tolist()):
            cell = _put(sheet, row + 2, place + 1, _value(value))
            if row < len(shown):
                cell.number_format = _number_format(shown[row])
            longest = max(longest, len(shown[row] if row < len(shown) else str(value)))
        sheet.column_dimensions[get_column_letter(place + 1)].width = min(longest, 80) + 2


def _put(sheet: Any, row: int, column: int, value: Any) -> Any:
    cell = sheet.cell(row, column, value)
    if isinstance(value, str):
        cell.data_type = "s"  # a level called '=1+1' is text
    return cell


def _value(value: Any) -> Any:
    """Return what Excel can hold: numbers, text, dates, nothing; the text of anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | int | pd.Timestamp) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _number_format(text: str) -> str:
    """Return Excel's format that shows a number as it prints."""
    digits = re.search(r"(?:\.(\d+))?(e)?[+-]?\d*$", text)
    decimals, exponent = (len(digits[1] or ""), digits[2]) if digits else (0, None)
    return f"0{'.' if decimals else ''}{'0' * decimals}{'E+00' if exponent else ''}"
