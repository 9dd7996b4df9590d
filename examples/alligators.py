"""What do alligators eat? Five foods without an order: 219 stomachs from four lakes (Agresti 2002, table 7.1)."""

import itertools

import pandas as pd

import bayes_glmm as bg

foods = ["fish", "invertebrate", "reptile", "bird", "other"]
lakes = ["George", "Hancock", "Oklawaha", "Trafford"]
# For each lake those of small and of large alligators.
stomachs = [
    *([16, 19, 1, 2, 3], [17, 1, 0, 1, 3]),
    *([23, 4, 2, 2, 8], [7, 0, 1, 3, 5]),
    *([5, 11, 1, 0, 3], [13, 8, 6, 1, 0]),
    *([5, 11, 2, 1, 5], [8, 7, 6, 3, 5]),
]
cells = itertools.product(lakes, ["small", "large"])
alligators = pd.DataFrame(
    [
        (*cell, food)
        for cell, counts in zip(cells, stomachs, strict=True)
        for food, n in zip(foods, counts, strict=True)
        for _ in range(n)
    ],
    columns=["lake", "size", "food"],
)
alligators["food"] = pd.Categorical(alligators["food"], foods)  # the first is the reference

# Each food but fish has a linear predictor: its log odds against fish.
model = bg.GLMM("food ~ size + lake", alligators, family="categorical")
fit = model.fit(random_seed=1)
print(fit, end="\n\n")

# Log odds against a reference are hard to read; probabilities are not.
print(bg.avg_predictions(fit, by="size"), end="\n\n")
print(bg.avg_comparisons(fit, {"size": ("large", "small")}), end="\n\n")

# Lakes drawn from all lakes: each has an effect on every food, and these effects are correlated.
lakes_vary = bg.GLMM("food ~ size + (1 | lake)", alligators, family="categorical").fit(random_seed=1)
print(bg.avg_predictions(lakes_vary, by="size", random_effects="marginal"), end="\n\n")

# Does size matter? And are reptiles where the model says?
without = bg.GLMM("food ~ lake", alligators, family="categorical").fit(random_seed=1)
print(bg.compare({"with size": bg.loo(fit), "without": bg.loo(without)}), end="\n\n")
print(bg.check_residuals(bg.simulate_residuals(fit, category="reptile", random_seed=1)))
