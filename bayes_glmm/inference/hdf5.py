"""Reading a netCDF file that may come from anyone: nothing outside the file is opened, nothing in it is run.

Input: a path. Output: an `xarray.DataTree` in memory. HDF5 files can point to other files (external links, external
storage, virtual datasets), can ask for plug-ins that decode them, and can claim terabytes in a few bytes; files that
this package writes do none of that, and one that does is refused before any of its data are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_glmm.errors import GLMMError

__all__ = ["read_tree"]

_BARE_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"
#: Bytes of metadata and of text that a file may hold besides its arrays.
_SLACK = 1 << 20


def read_tree(path: Path) -> xr.DataTree:
    """Read a netCDF file into memory.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    xarray.DataTree
        Its groups, loaded; the file is closed.

    Raises
    ------
    GLMMError
        If it is no such file, is truncated or damaged, or refers to anything outside itself.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            claimed = sum(_checked_size(name, item, path) for name, item in _walk(file, "", path))
        if claimed > path.stat().st_size + _SLACK:
            raise _refusal(path, f"it claims to hold {claimed:,} bytes and has {path.stat().st_size:,}")
        with xr.open_datatree(path, engine="h5netcdf", decode_times=False) as tree:
            return tree.load()
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, GLMMError):
            raise
        raise GLMMError(f"{path} cannot be read; it is damaged or was cut off ({_first_line(error)}).") from error


def _walk(group: Any, prefix: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield every object of a file without following a link out of it."""
    import h5py

    for name in group:
        where = f"{prefix}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _refusal(path, f"{where} is a link to somewhere else")
        item = group[name]
        if isinstance(item, h5py.Group):
            if prefix.count("/") > 8:
                raise _refusal(path, "its groups are nested too deeply")
            yield from _walk(item, where, path)
        elif isinstance(item, h5py.Dataset):
            yield where, item
        else:
            raise _refusal(path, f"{where} is neither a group nor an array")


def _checked_size(name: str, item: Any, path: Path) -> int:
    """Return the bytes an array claims to hold; refuse arrays that are stored anywhere else or in any other way."""
    import h5py

    if item.is_virtual or item.external:
        raise _refusal(path, f"{name} is stored in another file")
    if item.id.get_create_plist().get_nfilters():
        raise _refusal(path, f"{name} is stored compressed or filtered, which fits saved here are not")
    text = h5py.check_string_dtype(item.dtype) is not None
    if not text and item.dtype.kind not in "biuf":
        raise _refusal(path, f"{name} has the type {item.dtype}")
    # netCDF marks a dimension without coordinates by an array that is never read
    if bytes(item.attrs.get("NAME", b"")).startswith(_BARE_DIMENSION):
        return 0
    return int(item.size or 0) * (1 if text else item.dtype.itemsize)


def _refusal(path: Path, reason: str) -> GLMMError:
    return GLMMError(f"{path} is refused: {reason}. No fit that this package saved is like that.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
