"""What ``import bayes_glmm`` offers, and what it must not cost."""

import subprocess
import sys

import pytest

import bayes_glmm

HEAVY = ("pymc", "pytensor", "nutpie", "numba", "matplotlib", "arviz", "arviz_plots", "arviz_stats", "bambi")


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import bayes_glmm", HEAVY + ("pandas", "xarray", "scipy")),
        ("import bayes_glmm.plots", ("pymc", "pytensor", "nutpie", "matplotlib", "arviz_plots")),
        ("import bayes_glmm.widgets", HEAVY + ("anywidget", "ipywidgets", "traitlets", "scipy.stats")),
        ("from bayes_glmm import GLMM", ("pymc", "pytensor", "nutpie", "matplotlib", "arviz", "arviz_plots")),
        ("from bayes_glmm import avg_comparisons", ("pymc", "pytensor", "nutpie", "matplotlib", "arviz_plots")),
    ],
)
def test_imports_are_light(statement, forbidden):
    code = f"{statement}; import sys; print(*[name for name in {forbidden!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_is_there():
    for name in bayes_glmm.__all__:
        assert getattr(bayes_glmm, name) is not None, name
    assert set(bayes_glmm.__all__) == set(bayes_glmm._HOMES) | set(bayes_glmm._ROOMS)
    assert set(bayes_glmm.__all__) < set(dir(bayes_glmm))


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match=r"no attribute 'glm'. Use bg.GLMM\(...\).fit\(\)"):
        _ = bayes_glmm.glm
    with pytest.raises(AttributeError, match=r"no attribute 'VarCorr'. Use bg.variance_components\(fit\)"):
        _ = bayes_glmm.VarCorr
    with pytest.raises(AttributeError, match="no attribute 'slope'. Did you mean 'slopes'"):
        _ = bayes_glmm.slope
