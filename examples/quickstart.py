"""From data to an answer for one herd and an answer for all herds: contagious bovine pleuropneumonia (lme4's cbpp)."""

from pathlib import Path

import bayes_glmm as bg

# 15 herds seen in up to four periods; each row counts the new cases among `size` animals.
data = bg.load_dataset("cbpp")

# Herds differ for reasons that nobody measured, so each has an intercept of its own: (1 | herd), as in lme4.
model = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")

# Look before you fit: rows, levels, and every prior with its scale.
print(model, end="\n\n")

# Four chains of NUTS. A ConvergenceWarning is raised where the draws should not be relied on.
fit = model.fit(random_seed=1)

# What was fitted, the verdict on convergence over every parameter, and the table.
print(fit, end="\n\n")

# How much lower are the odds of disease than in period 1? There are two right answers to two questions:
# for one herd (a vet who looks after it), and averaged over the population of herds (who plans for the country).
stories = {
    "one herd": bg.avg_comparisons(fit, "period", comparison="odds_ratio", random_effects="typical"),
    "all herds": bg.avg_comparisons(fit, "period", comparison="odds_ratio", random_effects="marginal"),
}
for name, table in stories.items():
    print(f"{name.capitalize()}:", table, sep="\n", end="\n\n")

one, every = (table.iloc[-1] for table in stories.values())
print(
    f"In period 4 the odds in a typical herd are {one['estimate']:.2f} times those in period 1 "
    f"({one['lower']:.2f} to {one['upper']:.2f}).\nOver the population of herds it is {every['estimate']:.2f} times "
    f"({every['lower']:.2f} to {every['upper']:.2f}): nearer to 1, because herds differ."
)

# The two stories in one figure.
path = Path("out") / "quickstart.png"
path.parent.mkdir(exist_ok=True)
bg.plots.conditional_marginal(stories).figure.savefig(path, dpi=150)
print(f"\nFigure: {path.resolve()}")
