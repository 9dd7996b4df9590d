"""How do chicks grow on four diets? A curve for each diet, and a line about it for each chick (R's ChickWeight)."""

from pathlib import Path

import numpy as np

import bayes_glmm as bg

# Fifty chicks, weighed at up to twelve ages. Growth is no straight line, and chicks differ.
chicks = bg.load_dataset("ChickWeight")
one = bg.GLMM("weight ~ Diet + s(Time) + (Time | Chick)", chicks).fit(random_seed=1)
print(one, end="\n\n")

# Does the shape depend on the diet? A curve for each, whose sd says how far it bends.
each = bg.GLMM("weight ~ s(Time, by=Diet) + (Time | Chick)", chicks).fit(random_seed=1)
print(each.summary(), end="\n\n")

# Weights at three weeks, of a typical chick and of the next one, whose own growth is not known.
rows = bg.grid(each, Time=[21], Diet=None)
for name in ("typical", "new"):
    print(f"{name}:", bg.predictions(each, rows, random_effects=name, random_seed=1), sep="\n", end="\n\n")

# Growth in grams a day, early and late.
print(bg.slopes(each, "Time", newdata=bg.grid(each, Time=[3, 17], Diet=["1", "3"]), random_effects="typical"))

out = Path("out")
out.mkdir(exist_ok=True)
curves = bg.predictions(each, bg.grid(each, Time=np.linspace(0, 21, 43), Diet=None), random_effects="typical")
figure = bg.plots.predictions(curves, "Time", color="Diet", data=chicks, y="weight").figure
figure.savefig(out / "growth.png", dpi=150)
print(f"\nFigure: {(out / 'growth.png').resolve()}")
