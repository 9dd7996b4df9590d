"""How do follicles grow and fade? Eleven mares, counted day by day around two ovulations (nlme's Ovary)."""

import pandas as pd

import bayes_glmm as bg

# One row a mare and day. Time is 0 and 1 at the two ovulations, so that a cycle is a sine; days are whole steps.
mares = bg.load_dataset("Ovary")
mares["day"] = mares.groupby("Mare", observed=True).cumcount() + 1
cycle = "follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time)"

# A mare that is above her cycle today is above it tomorrow: what is left is correlated from day to day, so strongly
# that a constant of each mare, (1 | Mare), can hardly be told from it.
alone = bg.GLMM(f"{cycle} + (1 | Mare)", mares).fit(random_seed=1)
fit = bg.GLMM(f"{cycle} + ar1(day | Mare)", mares).fit(random_seed=1)
print(fit, end="\n\n")
print(bg.variance_components(fit), end="\n\n")

# Standard errors that take every day for a new piece of information are too small.
print(bg.table({"independent": alone, "ar1": fit}), end="\n\n")

# Does it predict better? Days left out one at a time are predicted from their neighbours in time.
print(bg.compare({"independent": bg.loo(alone), "ar1": bg.loo(fit)}), end="\n\n")

# The next days of one mare begin where she is, and go back to her cycle.
last = mares[mares["Mare"] == "1"].iloc[-1]
step = mares.loc[mares["Mare"] == "1", "Time"].diff().median()
ahead = pd.DataFrame({"Mare": "1", "day": last["day"] + [1, 2, 3, 5, 10], "Time": last["Time"]})
ahead["Time"] += step * (ahead["day"] - last["day"])
print(bg.predictions(fit, ahead, random_seed=1))
