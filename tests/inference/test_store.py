"""A saved fit: the same after loading, whole or refused, and never a way to run code or to read other files."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import arviz as az
import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayes_glmm as bg
from bayes_glmm.checks.log_prior import log_prior
from bayes_glmm.errors import ConvergenceWarning, DataError, DataWarning, GLMMError
from bayes_glmm.inference import store
from bayes_glmm.inference.columns import pack_column, unpack_column
from bayes_glmm.inference.seal import write_sealed

QUICK = {"draws": 50, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}


def quick_fit(formula, data, **arguments):
    with pytest.warns(ConvergenceWarning):
        return bg.GLMM(formula, data, **arguments).fit(**QUICK)


@pytest.fixture(scope="module")
def saved(cbpp_fit, tmp_path_factory) -> Path:
    """A file that tests copy and never change."""
    return cbpp_fit.save(tmp_path_factory.mktemp("saved") / "cbpp.nc")


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copy(saved, tmp_path / "copy.nc"))


def check_same(fit, again):
    assert list(fit.dt.children) == list(again.dt.children)
    for name in fit.dt.children:
        xr.testing.assert_identical(fit.dt[name].to_dataset(), again.dt[name].to_dataset())
    assert dict(fit.dt.attrs) == dict(again.dt.attrs)
    assert fit.model.spec == again.model.spec
    assert fit.model.prior_table == again.model.prior_table
    a, b = fit.model.design, again.model.design
    pd.testing.assert_frame_equal(a.frame, b.frame)
    assert np.array_equal(a.X, b.X)
    assert (a.coefs, a.dropped, a.reasons) == (b.coefs, b.dropped, b.reasons)
    assert [term.levels for term in a.groups] == [term.levels for term in b.groups]
    assert repr(fit) == repr(again)


# the same after loading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cbpp_fit", "sleepstudy_fit"])
def test_a_loaded_fit_is_the_saved_one(name, request, tmp_path):
    fit = request.getfixturevalue(name)
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    check_same(fit, again)
    pd.testing.assert_frame_equal(
        bg.avg_predictions(fit, random_effects="marginal"), bg.avg_predictions(again, random_effects="marginal")
    )
    again.save(tmp_path / "again.nc")
    check_same(fit, bg.load(tmp_path / "again.nc"))


N = 24
TEXT = np.resize(["a", "b", "c:d", "é ü", "'"], N)
MODELS = {
    "transforms and stated priors": (
        "y ~ poly(x, 2) + scale(z) + bs(z, df=4) + offset(x) + (x || g)",
        {},
        {
            "center": False,
            "priors": {"beta[scale(z)]": bg.Prior("Cauchy", 0, 1), "variance[g]": bg.Prior("Exponential", 1)},
        },
    ),
    "no coefficients": ("y ~ 0 + (1 | g)", {}, {}),
    "text, pandas and Python": ("y ~ x + (1 | g)", {"g": pd.array(TEXT, dtype="str")}, {}),
    "text as objects": ("y ~ x + (1 | g)", {"g": TEXT.astype(object)}, {}),
    "whole numbers as levels": ("y ~ x + (1 | g)", {"g": np.resize([3, 1, 20], N)}, {}),
    "floats as levels": ("y ~ x + (1 | g)", {"g": np.resize([0.5, 1.25, 3.0], N)}, {}),
    "booleans as levels": ("y ~ x + (1 | g)", {"g": np.resize([True, False], N)}, {}),
    "dates as levels": ("y ~ x + (1 | g)", {"g": np.resize(pd.date_range("2024", periods=4).to_numpy(), N)}, {}),
    "dates of a zone": ("y ~ x + (1 | g)", {"g": [*pd.date_range("2024", periods=4, tz="Europe/Paris")] * 6}, {}),
    "ordered category, some unused": (
        "y ~ g + (1 | h)", {"g": pd.Categorical(np.resize(["lo", "hi"], N), ["hi", "mid", "lo"], ordered=True)}, {},
    ),
    "category of numbers": ("y ~ x + (1 | g)", {"g": pd.Categorical(np.resize([10, 9], N))}, {}),
    "nullable and arrow": (
        "y ~ x + z + (1 | g)",
        {"x": pd.array(np.arange(N) % 7, dtype="Int64"), "z": pd.array(np.arange(N) ** 2.0, dtype="float64[pyarrow]")},
        {},
    ),
    "sparse and boolean": (
        "y ~ x + z", {"x": pd.arrays.SparseArray(np.resize([0.0, 0, 2], N)), "z": np.resize([True, False], N)}, {},
    ),
    "trials": ("p(k, n) ~ x + (1 | g/h)", {}, {"family": "binomial", "link": "cloglog"}),
    "weights, a number as a name": ("weighted(y, `2`) ~ `b c` + (1 | g:h)", {"2": 2.0, "b c": np.arange(N) % 5}, {}),
    "ordered categories": ("r ~ x + (1 | g)", {"r": np.resize(["no", "some", "yes"], N)}, {"family": "cumulative"}),
    "event of a binary response": ("r ~ x", {"r": np.resize(["no", "yes", "yes"], N)}, {"family": "bernoulli"}),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::bayes_glmm.errors.DataWarning")
@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_column_and_term(name, tmp_path):
    formula, columns, arguments = MODELS[name]
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=N), "x": rng.normal(size=N), "z": rng.normal(size=N), "n": 4,
            "k": rng.integers(0, 4, N), "g": np.resize(["p", "q", "r"], N), "h": np.resize(["u", "v"], N),
        }
    ).assign(**columns)  # fmt: skip
    if "r" in columns:
        categories = pd.unique(pd.Series(columns["r"]))
        frame["r"] = pd.Categorical(frame["r"], categories, ordered=True)
    fit = quick_fit(formula, frame, **arguments)
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    a, b = fit.model.design, again.model.design
    assert np.array_equal(a.X, b.X) and np.array_equal(a.offset, b.offset)
    assert [(t.levels, t.codes.tolist(), t.Z.tolist()) for t in a.groups] == [
        (t.levels, t.codes.tolist(), t.Z.tolist()) for t in b.groups
    ]
    assert np.array_equal(a.response.y, b.response.y) and a.response.event == b.response.event
    assert fit.model.prior_table == again.model.prior_table
    xr.testing.assert_identical(fit.posterior, again.posterior)
    xr.testing.assert_allclose(*(bg.log_likelihood(one)["log_likelihood"].to_dataset() for one in (fit, again)))
    pd.testing.assert_frame_equal(bg.predictions(fit, frame), bg.predictions(again, frame))


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(list("abcdefghijklmnopqrstuvwx"), name="row"),
        pd.MultiIndex.from_product([["a", "b"], range(12)], names=["site", None]),
        pd.date_range("2024-02-28", periods=N, freq="h"),
        pd.Index(np.arange(N) // 2),
    ],
    ids=["text", "two levels", "dates", "twice the same"],
)
def test_rows_keep_their_labels(index, tmp_path):
    frame = pd.DataFrame({"y": np.sin(np.arange(N)), "x": np.arange(N) % 5.0}, index=index)
    fit = quick_fit("y ~ x", frame)
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    assert again.model.design.index.equals(fit.model.design.index)
    assert list(again.model.design.index.names) == list(fit.model.design.index.names)


def test_dropped_rows_are_said_once(tmp_path, recwarn):
    frame = pd.DataFrame({"y": np.sin(np.arange(N)), "x": [None, *range(N - 1)]})
    with pytest.warns(DataWarning, match="1 of 24 rows"):
        model = bg.GLMM("y ~ x", frame)
    with pytest.warns(ConvergenceWarning):
        fit = model.fit(**QUICK)
    recwarn.clear()
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    assert not recwarn.list
    assert (again.model.design.dropped, again.model.design.reasons) == (1, {"x": 1})


def test_what_was_added_to_the_tree_is_saved_too(cbpp_fit, tmp_path):
    fit = bg.FittedGLMM(cbpp_fit.model, cbpp_fit.dt.copy())
    fit.extend("log_likelihood")
    again = bg.load(fit.save(tmp_path / "fit.nc"))
    xr.testing.assert_identical(again.dt["log_likelihood"].to_dataset(), fit.dt["log_likelihood"].to_dataset())


def test_an_approximate_fit_stays_marked(cbpp, tmp_path):
    model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", cbpp, family="binomial")
    fit = model.fit(method="laplace", draws=20, random_seed=1, progressbar=False)
    assert bg.load(fit.save(tmp_path / "fit.nc")).approximate


def test_arviz_and_xarray_read_the_file(saved, cbpp_fit):
    for tree in (az.from_netcdf(saved), xr.open_datatree(saved)):
        with tree:
            assert np.array_equal(tree["posterior"]["beta"], cbpp_fit.posterior["beta"])


def test_priors_are_about_what_they_were_about_when_saved(tmp_path, monkeypatch):
    """Default priors of another version, other numbers or about something else, do not replace those of the fit."""
    rng = np.random.default_rng(4)
    g = np.repeat(list("pqrstu"), 8)
    frame = pd.DataFrame(
        {"g": g, "year": np.tile(np.arange(2001.0, 2009.0), 6), "treat": np.resize([0.0, 1.0, 1.0], 48)}
    )
    frame["y"] = rng.normal(size=48)
    fit = bg.GLMM("y ~ treat * year + (year | g)", frame).fit(
        method="laplace", draws=50, random_seed=1, progressbar=False
    )
    path, table = fit.save(tmp_path / "fit.nc"), fit.model.prior_table
    density = log_prior(fit)

    def as_reported(spec, design):
        """The priors of a version that states other ones, all about coefficients as they are reported."""
        beta = tuple(store.replace(row, prior=bg.Prior("Normal", 0, 99), about="") for row in table.beta)
        groups = tuple((name, store.replace(group, basis=None)) for name, group in table.groups)
        plain, zeros = np.eye(len(beta)), np.zeros(len(beta))
        return store.replace(table, beta=beta, groups=groups, centered=False, basis=plain, location=zeros, means=zeros)

    monkeypatch.setattr(store, "resolve_priors", as_reported)
    again = bg.load(path)
    assert again.model.prior_table == table
    pd.testing.assert_frame_equal(again.model.priors, fit.model.priors)
    xr.testing.assert_identical(log_prior(again), density)


def test_a_file_of_format_1_is_refused_with_what_to_do(copy):
    """Its priors do not say which origin they are about, and the default has changed."""
    resealed(copy, manifest_with(format=1))
    with pytest.raises(
        GLMMError, match=r"in format 1; this version \(.*\) reads format 2\. Fit the model again, or read"
    ):
        bg.load(copy)


# whole or refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.01, 0.3, 0.9, 0.999, 0.99999])
def test_a_file_that_was_cut_off(copy, share):
    content = copy.read_bytes()
    copy.write_bytes(content[: int(share * len(content))])
    with pytest.raises(GLMMError, match=r"does not end as a fit.*(cut off|empty)"):
        bg.load(copy)


def test_any_byte_that_was_changed(copy):
    content = bytearray(copy.read_bytes())
    rng = np.random.default_rng(1)
    places = [0, 1, len(content) - 1, len(content) - 40, *rng.integers(0, len(content), 100)]
    for place in places:
        changed = content.copy()
        changed[place] ^= 1 << int(rng.integers(8))
        copy.write_bytes(changed)
        with pytest.raises(GLMMError, match="was changed after it was saved|does not end as a fit"):
            bg.load(copy)


def test_a_file_that_another_program_wrote(copy, cbpp_fit, tmp_path):
    with h5py.File(copy, "r+") as file:
        file["posterior/beta"][...] = 0.0
    with pytest.raises(GLMMError, match="was changed|does not end"):
        bg.load(copy)
    cbpp_fit.dt.to_netcdf(tmp_path / "draws.nc")
    with pytest.raises(GLMMError, match="another program wrote it"):
        bg.load(tmp_path / "draws.nc")


def resealed(path: Path, change) -> Path:
    """Change a file's HDF5 and seal it again, as someone could who means harm."""
    with h5py.File(path, "r+") as file:
        change(file)
    write_sealed(path.read_bytes(), path)
    return path


def set_manifest(file, **fields):
    manifest = json.loads(file["bayes_glmm/manifest"][()])
    manifest.update(fields)
    file["bayes_glmm/manifest"][()] = json.dumps(manifest)


def test_resealing_alone_changes_nothing(copy, cbpp_fit):
    check_same(cbpp_fit, bg.load(resealed(copy, lambda file: None)))


def spec_with(formula: str) -> dict:
    fields = {"family": "binomial", "link": "logit", "priors": [], "center": True, "missing": "drop"}
    return {"version": 1, "formula": formula, **fields}


def replaced(file, name: str, make) -> None:
    del file[name]
    make(file, name)


def virtual(file, name: str) -> None:
    layout = h5py.VirtualLayout(shape=(3,), dtype="f8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "data", shape=(3,))
    file.create_virtual_dataset(name, layout)


def beta_as(make):
    return lambda file: replaced(file, "posterior/beta", make)


def manifest_with(**fields):
    return lambda file: set_manifest(file, **fields)


def longer_texts(file) -> None:
    file["bayes_glmm/column3_categories_lengths"][0] = 10**9


PARAMETERS = ("Intercept", "beta[period[2]]", "beta[period[3]]", "beta[period[4]]", "sd[herd][Intercept]")
NO_PRIOR = {"name": "os.system", "parameters": {}}
SYSTEM = "p(incidence, size) ~ __import__('os').system('true')"

HOSTILE = {
    "a link to another file": (
        beta_as(lambda f, n: f.__setitem__(n, h5py.ExternalLink("/etc/x.h5", "/b"))),
        "link to somewhere else",
    ),
    "a link within": (beta_as(lambda f, n: f.__setitem__(n, h5py.SoftLink("/sample_stats"))), "link to somewhere else"),
    "an array that is another file": (
        beta_as(lambda f, n: f.create_dataset(n, (8,), "u1", external=[("/etc/passwd", 0, 8)])),
        "stored in another file",
    ),
    "an array made of other files": (beta_as(virtual), "stored in another file"),
    "terabytes in a few bytes": (
        beta_as(lambda f, n: f.create_dataset(n, (1 << 40,), "f8", chunks=(1024,))),
        "claims to hold",
    ),
    "compressed": (
        beta_as(lambda f, n: f.create_dataset(n, data=np.zeros(99), compression=9)),
        "compressed or filtered",
    ),
    "groups without end": (
        lambda file: file["posterior"].create_group("/".join("abcdefghijkl")),
        "nested too deeply",
    ),
    "Python objects": (beta_as(lambda f, n: f.create_dataset(n, data=np.void(pickle.dumps(print)))), "has the type"),
    "a type of its own": (
        lambda file: file.__setitem__("posterior/named", np.dtype("f8")),
        "neither a group nor an array",
    ),
    "another format": (manifest_with(format=99, version="9.9"), "bayes_glmm 9.9 in format 99"),
    "code as a formula": (manifest_with(spec=spec_with(SYSTEM)), "__import__"),
    "other columns": (manifest_with(spec=spec_with("p(incidence, size) ~ 1")), "other columns"),
    "a column that is not there": (manifest_with(spec=spec_with("p(nope, size) ~ 1")), "no column 'nope'"),
    "no manifest": (lambda file: file["bayes_glmm"].pop("manifest"), "no fit that this package saved"),
    "not JSON": (lambda file: file["bayes_glmm/manifest"].__setitem__((), "{"), "damaged"),
    "JSON of another kind": (lambda file: file["bayes_glmm/manifest"].__setitem__((), "[]"), "damaged"),
    "types that are no types": (
        manifest_with(columns=[["size", {"kind": "numbers", "dtype": "O"}]]),
        "O is no type of numbers",
    ),
    "types that are no text": (
        manifest_with(index={"levels": [["herd", {"kind": "text", "dtype": "O"}]]}),
        "O is no type of text",
    ),
    "texts beyond their end": (longer_texts, "lengths of texts do not add up"),
    "no columns": (manifest_with(columns=[]), "no column"),
    "priors about other coefficients": (
        lambda file: replaced(file, "bayes_glmm/priors_basis", lambda f, n: f.move("bayes_glmm/priors_means", n)),
        "priors are not those of its model",
    ),
    "priors about nothing": (
        lambda file: file["bayes_glmm/priors_location"].__setitem__(0, np.nan),
        "priors are not those of its model",
    ),
    "no priors": (manifest_with(priors=[]), "priors are not those of its model"),
    "priors that are none": (
        manifest_with(priors=[[name, NO_PRIOR, 1.0, "user", ""] for name in PARAMETERS]),
        "os.system",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_words(name, copy):
    change, words = HOSTILE[name]
    resealed(copy, change)
    with pytest.raises(GLMMError, match=words):
        bg.load(copy)


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"CDF\x01" + bytes(90), b"PK\x03\x04", bytes(1000)])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(GLMMError, match="does not end as a fit"):
        bg.load(path)
    if content:
        write_sealed(content, path)
        with pytest.raises(GLMMError, match="damaged"):
            bg.load(path)


def test_nothing_is_unpickled_or_unpacked(saved, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(np, "load", refuse)
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    assert not bg.load(saved).interrupted


def test_paths_that_lead_nowhere(cbpp_fit, tmp_path):
    for path, words in ((tmp_path / "none.nc", "There is no file"), (tmp_path, "is not a file")):
        with pytest.raises(GLMMError, match=words):
            bg.load(path)
    for path, words in ((tmp_path / "no" / "fit.nc", "There is no folder"), (tmp_path, "is a folder")):
        with pytest.raises(GLMMError, match=words):
            cbpp_fit.save(path)


@pytest.mark.parametrize("values", [[{"a": 1}, {"b": 2}], [object(), object()], [(1, 2), (3, 4)]])
def test_python_objects_are_refused_when_saving(values):
    with pytest.raises(DataError, match="column 'x'.*Python objects"):
        pack_column(pd.Series(values, name="x"), "the column 'x'")


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "é\n", "🐄", "'\"`"])
def test_any_text_survives(text):
    column = pd.Index([text, "x", text])
    assert unpack_column(*pack_column(column, "x")).equals(column)


def test_text_that_is_none_is_refused():
    with pytest.raises(DataError, match="no valid text"):
        pack_column(pd.Index(["\ud800"], dtype=object), "x")


# the old file or the new one -----------------------------------------------------------------------------------------

KILLED_AT = """
import os, signal, sys
import bayes_glmm as bg
fit = bg.load(sys.argv[1])
fit.dt.attrs["mark"] = 1
folder, last, count = os.path.dirname(sys.argv[1]), int(sys.argv[2]), 0
def watch(event, arguments):
    # whatever touches the folder: opening, renaming, removing
    global count
    if any(isinstance(item, str) and item.startswith(folder) for item in arguments):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
fit.save(sys.argv[1])
"""
SAVED_AGAIN_AND_AGAIN = """
import sys
import bayes_glmm as bg
fit = bg.load(sys.argv[1])
fit.dt.attrs["mark"] = 1
while True:
    fit.save(sys.argv[1])
    print("saved", flush=True)
"""


def run(code: str, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def test_a_kill_between_any_two_steps_leaves_the_old_file_or_the_new_one(saved, tmp_path):
    """Killed before the first step on the disk, before the second, and so on, until there is none left."""
    marks = []
    for step in range(1, 20):
        path = Path(shutil.copy(saved, tmp_path / "copy.nc"))
        done = run(KILLED_AT, path, step)
        marks.append(bg.load(path).attrs.get("mark", 0))
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.returncode == 0
    assert marks[0] == 0 and marks[-1] == 1 and marks == sorted(marks)
    assert len(marks) >= 4


@pytest.mark.slow
def test_a_kill_at_a_random_moment_leaves_a_whole_file(copy):
    rng = np.random.default_rng(3)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SAVED_AGAIN_AND_AGAIN, str(copy)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"saved\n"
        time.sleep(rng.uniform(0.0, 0.5))
        process.kill()
        process.wait()
        process.stdout.close()
        assert bg.load(copy).attrs["mark"] == 1


LIMITED = """
import resource, signal, sys
import bayes_glmm as bg
fit = bg.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    fit.save(sys.argv[1])
except bg.errors.GLMMError as error:
    print(error)
"""


@pytest.mark.parametrize("share", [0.0, 0.4, 0.999])
def test_a_disk_that_is_full_leaves_the_old_file_and_no_rest(copy, share):
    before = copy.read_bytes()
    done = run(LIMITED, copy, int(share * len(before)))
    assert done.returncode == 0, done.stderr
    assert "could not be saved" in done.stdout and "Nothing was replaced" in done.stdout
    assert copy.read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_file_behind_a_link_is_replaced_not_the_link(cbpp_fit, copy, tmp_path):
    link = tmp_path / "link.nc"
    link.symlink_to(copy)
    assert cbpp_fit.save(link) == copy
    assert link.is_symlink()


def test_saved_files_have_the_permissions_of_new_files(cbpp_fit, tmp_path):
    other = tmp_path / "other"
    other.touch()
    assert cbpp_fit.save(tmp_path / "fit.nc").stat().st_mode == other.stat().st_mode


def test_a_family_of_ones_own_is_not_saved(cbpp_fit, tmp_path):
    from dataclasses import replace

    family = replace(cbpp_fit.model.spec.family, name="mine")
    model = replace_spec(cbpp_fit.model, replace(cbpp_fit.model.spec, family=family))
    with pytest.raises(GLMMError, match=r"of your own \(mine, logit\)"):
        bg.FittedGLMM(model, cbpp_fit.dt).save(tmp_path / "fit.nc")


def replace_spec(model, spec):
    return bg.GLMM._of(spec, model.design, model.prior_table)


# across processes ----------------------------------------------------------------------------------------------------


def test_fits_pickle(cbpp_fit):
    check_same(cbpp_fit, pickle.loads(pickle.dumps(cbpp_fit)))


def test_a_response_read_in_another_way_is_refused(cbpp_fit, tmp_path):
    """Another version may have counted the other of two levels as the event."""
    tree = cbpp_fit.dt.copy()
    tree["observed_data"] = tree["observed_data"].to_dataset().map(lambda y: y.max() - y)
    path = bg.FittedGLMM(cbpp_fit.model, tree).save(tmp_path / "other.nc")
    with pytest.raises(GLMMError, match="reads the response 'incidence' in another way .* fit it again"):
        bg.load(path)


def test_levels_in_another_order_are_refused(cbpp_fit, tmp_path):
    """Draws belong to levels by position: what another version ordered in another way would be other levels'."""
    tree = cbpp_fit.dt.copy()
    tree["posterior"] = tree["posterior"].to_dataset().assign_coords(herd=tree["posterior"]["herd"].to_numpy()[::-1])
    path = bg.FittedGLMM(cbpp_fit.model, tree).save(tmp_path / "other.nc")
    with pytest.raises(GLMMError, match="orders the levels of 'herd' in another way .* fit it again"):
        bg.load(path)
