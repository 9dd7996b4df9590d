"""The data sets are the published ones: shapes, levels and figures that others have printed."""

import json
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from bayes_glmm.datasets import list_datasets, load_dataset
from bayes_glmm.datasets.provenance import SOURCES
from bayes_glmm.errors import DataError

SHAPES = [
    ("Arabidopsis", (625, 8), {"popu": 9, "gen": 24}),
    ("bacteria", (220, 6), {"ID": 50, "trt": 3}),
    ("bcg", (13, 11), {"trial": 13, "study": 13, "alloc": 3}),
    ("cake", (270, 5), {"replicate": 15, "recipe": 3, "temperature": 6}),
    ("cbpp", (56, 4), {"herd": 15, "period": 4}),
    ("Chem97", (31022, 8), {"lea": 131, "school": 2410, "student": 31022}),
    ("Contraception", (1934, 6), {"district": 60, "livch": 4}),
    ("Dyestuff", (30, 2), {"Batch": 6}),
    ("Dyestuff2", (30, 2), {"Batch": 6}),
    ("epil", (236, 9), {"subject": 59, "trt": 2}),
    ("grouseticks", (403, 7), {"BROOD": 118, "LOCATION": 63, "INDEX": 403}),
    ("InstEval", (73421, 7), {"s": 2972, "d": 1128, "dept": 14}),
    ("kidney", (76, 6), {"id": 38, "sex": 2, "disease": 4}),
    ("konstantopoulos2011", (56, 7), {"district": 11, "school": 11, "study": 56}),
    ("lip_cancer", (56, 5), {"district": 56}),
    ("ohio", (2148, 4), {"id": 537}),
    ("Ovary", (308, 3), {"Mare": 11}),
    ("Pastes", (60, 4), {"batch": 10, "cask": 3, "sample": 30}),
    ("Penicillin", (144, 3), {"plate": 24, "sample": 6}),
    ("quine", (146, 5), {"Eth": 2, "Sex": 2, "Age": 4, "Lrn": 2}),
    ("respiratory", (555, 7), {"subject": 111, "month": 5, "centre": 2}),
    ("sleepstudy", (180, 3), {"Subject": 18}),
    ("toenail", (1908, 5), {"patientID": 294, "treatment": 2}),
    ("VerbAgg", (7584, 9), {"id": 316, "item": 24, "resp": 3}),
]


@pytest.mark.parametrize(("name", "shape", "levels"), SHAPES)
def test_shape_and_levels(name, shape, levels):
    frame = load_dataset(name)
    assert frame.shape == shape
    assert {column: len(frame[column].cat.categories) for column in levels} == levels
    assert {column: frame[column].nunique() for column in levels} == levels
    assert not frame.isna().any().any()


def test_every_data_set_is_listed_tested_and_documented():
    assert [name for name, _, _ in SHAPES] == list(SOURCES) == list_datasets()["name"].tolist()
    data = files("bayes_glmm.datasets") / "data"
    stored = {path.name.removesuffix(".gz").removesuffix(".csv") for path in data.iterdir() if ".csv" in path.name}
    assert stored == set(SOURCES) == set(json.loads((data / "levels.json").read_text(encoding="utf-8")))
    readme = (files("bayes_glmm.datasets") / "README.md").read_text(encoding="utf-8")
    for name, source in SOURCES.items():
        row = next(line for line in readme.splitlines() if f"| {source.package} {source.version} |" in line)
        assert name in row.split("|")[1].replace(",", " ").split()


# Sums, means and tables printed in the packages' manuals, in Bates et al. (2015) and in Venables and Ripley (2002).
FIGURES = [
    ("cbpp", lambda d: d["incidence"].sum() / d["size"].sum(), 99 / 842),
    ("cbpp", lambda d: d["incidence"].sum(), 99),
    ("bcg", lambda d: np.average(d["yi"], weights=d["sei"] ** -2.0).round(4), -0.4303),  # metafor's rma(method = "FE")
    ("kidney", lambda d: d["status"].sum(), 58),
    ("sleepstudy", lambda d: d["Reaction"].mean(), 298.5079),
    ("sleepstudy", lambda d: np.polyfit(d["Days"], d["Reaction"], 1)[0], 10.46729),
    ("sleepstudy", lambda d: np.polyfit(d["Days"], d["Reaction"], 1)[1], 251.4051),
    ("Dyestuff", lambda d: d["Yield"].mean(), 1527.5),
    ("Dyestuff2", lambda d: d["Yield"].mean(), 5.6656),
    ("Penicillin", lambda d: d["diameter"].mean(), 22.97222),
    ("Pastes", lambda d: d["strength"].mean(), 60.05333),
    ("epil", lambda d: d["y"].mean(), 8.254237),
    ("bacteria", lambda d: (d["y"] == "y").sum(), 177),
    ("quine", lambda d: d["Days"].mean(), 16.4589),
    ("Contraception", lambda d: (d["use"] == "Y").sum(), 759),
    ("cake", lambda d: d["angle"].mean(), 32.12222),
    ("InstEval", lambda d: d["y"].mean(), 3.205744),
]


@pytest.mark.parametrize(("name", "figure", "published"), FIGURES)
def test_published_figures(name, figure, published):
    assert figure(load_dataset(name)) == pytest.approx(published, rel=5e-6)


@pytest.mark.parametrize(
    ("name", "factors", "times"),
    [
        ("VerbAgg", ["id", "item"], 1),
        ("Penicillin", ["plate", "sample"], 1),
        ("Pastes", ["batch", "cask"], 2),
        ("Dyestuff", ["Batch"], 5),
        ("sleepstudy", ["Subject", "Days"], 1),
        ("cake", ["replicate", "recipe", "temperature"], 1),
        ("ohio", ["id", "age"], 1),
        ("epil", ["subject", "period"], 1),
        ("respiratory", ["subject", "month"], 1),
    ],
)
def test_balanced_designs_are_balanced(name, factors, times):
    frame = load_dataset(name)
    cells = frame.groupby(factors, observed=False).size()
    assert cells.eq(times).all()
    assert cells.sum() == len(frame)


def test_verbagg_dichotomises_its_ordinal_answer():
    frame = load_dataset("VerbAgg")
    assert ((frame["resp"] == "no") == (frame["r2"] == "N")).all()
    assert frame["resp"].cat.ordered


def test_factors_keep_the_level_order_of_r():
    assert list(load_dataset("bacteria")["trt"].cat.categories) == ["placebo", "drug", "drug+"]
    assert list(load_dataset("sleepstudy")["Subject"].cat.categories[:3]) == ["308", "309", "310"]
    assert list(load_dataset("InstEval")["dept"].cat.categories[:4]) == ["15", "5", "10", "12"]
    assert list(load_dataset("cbpp")["herd"].cat.categories) == [str(j) for j in range(1, 16)]
    assert load_dataset("cake")["temperature"].cat.ordered
    assert not load_dataset("cake")["recipe"].cat.ordered


def test_name_is_found_without_its_capitals():
    pd.testing.assert_frame_equal(load_dataset("VERBAGG"), load_dataset("VerbAgg"))


def test_each_call_gives_a_fresh_copy():
    first = load_dataset("cbpp")
    first.loc[0, "incidence"] = 99
    first.attrs["licence"] = "none"
    second = load_dataset("cbpp")
    assert second.loc[0, "incidence"] == 2
    assert second.attrs["licence"] == "GPL (>= 2)"


def test_unknown_name_gives_the_nearest():
    with pytest.raises(DataError, match=r"'sleepstdy'\. Did you mean 'sleepstudy'\?"):
        load_dataset("sleepstdy")
