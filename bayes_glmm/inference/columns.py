"""Columns of a table as plain arrays and back: what a saved fit keeps of the user's data.

Input: a pandas column or index without missing values. Output: arrays of numbers (text as UTF-8 bytes with their
lengths), and a description that JSON holds. Nothing is pickled and nothing that is read is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayes_glmm.errors import DataError

__all__ = ["pack_column", "unpack_column"]

Arrays = dict[str, npt.NDArray[Any]]

_NULLABLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean")
#: What columns of Python objects become, by what pandas finds in them.
_OBJECTS = {
    "string": "text", "empty": "text", "boolean": "bool", "integer": "int64",
    "floating": "float64", "mixed-integer-float": "float64", "decimal": "float64",
}  # fmt: skip


def pack_column(values: pd.Series | pd.Index, what: str) -> tuple[Arrays, dict[str, Any]]:
    """Write a column as arrays.

    Parameters
    ----------
    values
        A column or an index of one level, without missing values.
    what
        What it is, for messages: ``"the column 'x'"``.

    Returns
    -------
    arrays : dict of numpy.ndarray
        Numbers, booleans or bytes by role: ``"values"``, ``"bytes"`` and ``"lengths"``, ``"codes"``.
    description : dict
        How `unpack_column` reads them.

    Raises
    ------
    DataError
        If the column holds values that are neither numbers, text, dates nor a category of such.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _pack_category(values, what)
    if isinstance(dtype, pd.SparseDtype):
        dtype = dtype.subtype
    if isinstance(dtype, pd.StringDtype):
        return _pack_text(values, str(dtype) if dtype.na_value is pd.NA else "str", what)
    if isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind == "M":
        naive = pd.DatetimeIndex(values).tz_localize(None) if dtype.kind == "M" and not _zone(dtype) else None
        moments = naive if naive is not None else pd.DatetimeIndex(values).tz_convert("UTC").tz_localize(None)
        numbers = moments.to_numpy()
        unit = np.datetime_data(numbers.dtype)[0]
        return {"values": numbers.astype("int64")}, {"kind": "dates", "unit": unit, "zone": _zone(dtype)}
    if dtype.kind == "O":
        return _pack_objects(values, what)
    if str(dtype) in _NULLABLE:
        return {"values": values.to_numpy(dtype=dtype.numpy_dtype)}, {"kind": "numbers", "dtype": str(dtype)}
    numbers = np.asarray(values.to_numpy())
    if numbers.dtype.kind not in "biuf":
        raise DataError(f"A fit cannot be saved with {what}: its type {values.dtype} is neither number, text nor date.")
    return {"values": numbers}, {"kind": "numbers", "dtype": str(numbers.dtype)}


def _zone(dtype: Any) -> str | None:
    return str(dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else None


def _pack_category(values: Any, what: str) -> tuple[Arrays, dict[str, Any]]:
    categories, codes = values.dtype.categories, pd.Categorical(values).codes
    inner, description = pack_column(categories, what)
    arrays = {"codes": codes.astype("int64"), **{f"categories_{role}": array for role, array in inner.items()}}
    return arrays, {"kind": "category", "ordered": bool(values.dtype.ordered), "categories": description}


def _pack_text(values: Any, dtype: str, what: str) -> tuple[Arrays, dict[str, Any]]:
    try:
        encoded = [str(value).encode() for value in values]
    except UnicodeEncodeError as error:
        raise DataError(f"A fit cannot be saved with {what}: {error.object!r} is no valid text.") from None
    joined = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    lengths = np.array([len(item) for item in encoded], dtype="int64")
    return {"bytes": joined, "lengths": lengths}, {"kind": "text", "dtype": dtype}


def _pack_objects(values: Any, what: str) -> tuple[Arrays, dict[str, Any]]:
    inferred = pd.api.types.infer_dtype(values, skipna=False)
    target = _OBJECTS.get(inferred)
    if target is None:
        raise DataError(
            f"A fit cannot be saved with {what}: it holds Python objects ({inferred}), not numbers or text."
        )
    if target == "text":
        return _pack_text(values, "object", what)
    return {"values": np.asarray(values, dtype=target)}, {"kind": "numbers", "dtype": target}


def unpack_column(arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> Any:
    """Read what `pack_column` wrote.

    Parameters
    ----------
    arrays
        Arrays by role.
    description
        How to read them.

    Returns
    -------
    pandas.Index
        The column's values, its type as it was; columns of Python numbers as numbers.

    Raises
    ------
    KeyError, ValueError
        If arrays and description do not fit each other.
    """
    return _UNPACK[description["kind"]](arrays, description)


def _unpack_numbers(arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> Any:
    dtype = str(description["dtype"])
    if dtype not in _NULLABLE and np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"{dtype} is no type of numbers")
    return pd.Index(pd.array(arrays["values"], dtype=dtype))


def _unpack_text(arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> Any:
    dtype = str(description["dtype"])
    if dtype not in ("object", "str", "string", "string[python]", "string[pyarrow]"):
        raise ValueError(f"{dtype} is no type of text")
    joined, ends = arrays["bytes"].tobytes(), np.cumsum(arrays["lengths"])
    starts = ends - arrays["lengths"]
    if len(ends) and (arrays["lengths"].min() < 0 or ends[-1] != len(joined)):
        raise ValueError("the lengths of texts do not add up")
    return pd.Index([joined[a:b].decode() for a, b in zip(starts, ends, strict=True)], dtype=dtype)


def _unpack_dates(arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> Any:
    moments = pd.DatetimeIndex(arrays["values"].astype(f"datetime64[{description['unit']}]"))
    zone = description["zone"]
    return moments if zone is None else moments.tz_localize("UTC").tz_convert(zone)


def _unpack_category(arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> Any:
    prefix = "categories_"
    inner = {role.removeprefix(prefix): array for role, array in arrays.items() if role.startswith(prefix)}
    categories = unpack_column(inner, description["categories"])
    return pd.CategoricalIndex(
        pd.Categorical.from_codes(arrays["codes"], categories=categories, ordered=description["ordered"])
    )


_UNPACK: dict[str, Callable[..., Any]] = {
    "numbers": _unpack_numbers,
    "text": _unpack_text,
    "dates": _unpack_dates,
    "category": _unpack_category,
}
