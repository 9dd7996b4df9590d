"""Fits that were saved: from a file back to what users hold."""

from __future__ import annotations

import os
from typing import cast

from bayes_glmm.glmm.fitted import FittedGLMM
from bayes_glmm.glmm.model import GLMM
from bayes_glmm.glmm.multiple import pooled


def load(path: str | os.PathLike[str]) -> FittedGLMM:
    """Read a fit that `FittedGLMM.save` wrote. Files may come from anyone: nothing in them is run or unpickled.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    FittedGLMM
        The fit, with its model; a `PooledGLMM` or a `FittedMultivariateGLMM` where that was saved.

    Raises
    ------
    GLMMError
        If the file is missing, truncated, was changed after it was saved, refers to anything outside itself, or is of a
        format this version does not read.

    Examples
    --------
    >>> import bayes_glmm as bg
    >>> model = bg.GLMM("Reaction ~ Days + (Days | Subject)", bg.load_dataset("sleepstudy"))
    >>> fit = model.fit(random_seed=1, progressbar=False)
    >>> import tempfile, pathlib
    >>> path = fit.save(pathlib.Path(tempfile.mkdtemp()) / "sleep.nc")
    >>> bool((bg.load(path).posterior["beta"] == fit.posterior["beta"]).all())
    True
    """
    from bayes_glmm.inference.store import open_file, saved_fit

    file = open_file(path)
    if file.has_several:
        from bayes_glmm.glmm.multivariate import load_together

        # as GLMM of several formulas, whose type is said to be GLMM, too
        return cast(FittedGLMM, load_together(file, GLMM))
    saved = saved_fit(file)
    model = GLMM._of(saved.spec, saved.design, saved.prior_table)
    if not saved.parts:
        return FittedGLMM(model, saved.dt)
    models = [GLMM._of(saved.spec, design, saved.prior_table) for design, _ in saved.parts]
    return pooled(model, models, [dt for _, dt in saved.parts], saved.dt)
