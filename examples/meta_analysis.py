"""Does a vaccine work, and will it elsewhere? Thirteen trials of BCG against tuberculosis (metafor's dat.bcg)."""

from pathlib import Path

import bayes_glmm as bg

# One row for each trial: the log of the risk ratio, yi, and its standard error, sei, which is taken as known.
trials = bg.load_dataset("bcg")
model = bg.GLMM("se(yi, sei) ~ 1 + (1 | study)", trials)
fit = model.fit(random_seed=1)
print(fit, end="\n\n")

# How much true effects differ between trials: tau, and the share I^2 of what was observed that is real.
print(bg.heterogeneity(fit), end="\n\n")

# Every trial as observed and partially pooled, the average, and where the effect of another trial would lie.
studies = bg.studies(fit, ci_prob=0.95)
average, new = (studies[studies["kind"] == kind].iloc[0] for kind in ("average", "new study"))
for name, row in (("On average the log risk ratio is", average), ("In another place its true value may be", new)):
    print(f"{name} {row['estimate']:.2f} ({row['lower']:.2f} to {row['upper']:.2f}).")

# Trials differ for a reason: the farther from the equator, the better the vaccine works.
far = bg.GLMM("se(yi, sei) ~ ablat + (1 | study)", trials).fit(random_seed=1)
places = bg.grid(far, ablat=[13, 33, 55])
print("", bg.predictions(far, places, random_effects="typical"), bg.heterogeneity(far), sep="\n\n", end="\n\n")

# Does latitude help to predict a trial that the model has not seen? Each is left out and predicted from the rest.
held = {name: bg.kfold(one, group="study", random_seed=1) for name, one in {"average": fit, "latitude": far}.items()}
print(bg.compare(held))

out = Path("out")
out.mkdir(exist_ok=True)
forest = bg.plots.forest(studies, exponentiate=True, sort=True, label="risk ratio")
forest.figure.savefig(out / "forest.png", dpi=150)
bg.plots.funnel(studies, label="log risk ratio").figure.savefig(out / "funnel.png", dpi=150)
print(f"\nFigures: {(out / 'forest.png').resolve()}, {(out / 'funnel.png').resolve()}")
