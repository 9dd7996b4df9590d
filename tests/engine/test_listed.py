"""Two paths to one posterior on every listed data set: the kernel, and PyMC's own density through the same sampler."""

from __future__ import annotations

import pytest

import bayes_glmm as bg

# whether the verdict is right is another room's test
pytestmark = pytest.mark.filterwarnings("ignore::bayes_glmm.errors.ConvergenceWarning")


def dataset(name, **outcome):
    def load():
        return bg.load_dataset(name).assign(**outcome)

    return load


LISTED = {
    "cbpp": ("p(incidence, size) ~ period + (1 | herd)", "binomial", dataset("cbpp")),
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "gaussian", dataset("sleepstudy")),
    "epil": ("y ~ lbase * trt + lage + V4 + (1 | subject)", "negativebinomial", dataset("epil")),
    "Contraception": ("use ~ age + urban + livch + (urban | district)", "bernoulli", dataset("Contraception")),
    "VerbAgg": ("r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", "bernoulli", dataset("VerbAgg")),
    "Chem97": ("score ~ gcsecnt + (1 | lea)", "gaussian", dataset("Chem97")),
    "Chem97-top": (
        "top ~ gcsecnt + gender + (1 | school)",
        "bernoulli",
        dataset("Chem97", top=lambda d: (d["score"] > 5).astype("int64")),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTED)
def test_kernel_and_graph_agree(name, models):
    formula, family, load = LISTED[name]
    model = bg.GLMM(formula, load(), family=family)
    draws = {"draws": 2000, "progressbar": False, "random_seed": 11}
    ours = model.fit(backend="kernel", **draws)
    theirs = model.fit(backend="nutpie", **draws)
    assert ours.attrs["backend"] == "kernel"
    assert theirs.attrs["backend"] == "nutpie"
    assert theirs.attrs["trajectories"] in ("of a normal", "straight")
    models.check_agreement(ours.posterior, theirs.posterior)
