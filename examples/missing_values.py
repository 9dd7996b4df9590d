"""Reactions and ages that are missing in the sleep study: what is predicted, what is imputed, and what it costs."""

import numpy as np

import bayes_glmm as bg

# Made-up ages, which a third of the 18 subjects did not give, and four reactions that were lost.
rng = np.random.default_rng(1)
sleep = bg.load_dataset("sleepstudy")
ages = {subject: rng.normal(40, 10) for subject in sleep["Subject"].unique()}
silent = rng.choice(list(ages), 6, replace=False)
sleep["age"] = [np.nan if subject in silent else ages[subject] for subject in sleep["Subject"]]
sleep.loc[[7, 8, 9, 44], "Reaction"] = np.nan

# A response that nobody saw says nothing about the parameters; the fit says what it may have been.
model = bg.GLMM("Reaction ~ Days + (Days | Subject)", sleep, missing="predict")
fit = model.fit(random_seed=1)
print(model, end="\n\n")
lost = fit.missing_responses(random_seed=1)
print(lost.quantile([0.055, 0.5, 0.945], ("chain", "draw")).round(0).to_pandas(), end="\n\n")

# Impute the ages: draws of a model that has seen what the response says of each subject.
seen = sleep.dropna(subset="Reaction")
each = seen.groupby("Subject").agg(age=("age", "first"), mean=("Reaction", "mean"), worst=("Reaction", "max"))
imputer = bg.GLMM("age ~ mean + worst", each.reset_index(), missing="predict").fit(random_seed=1)
drawn = imputer.missing_responses(draws=5, random_seed=1).stack(sample=("chain", "draw"))
frames = []
for values in drawn.transpose("sample", "obs").values:
    age = each["age"].copy()
    age.iloc[drawn["obs"].values] = values
    frames.append(seen.assign(age=age.loc[seen["Subject"]].values))

# One fit of all twenty completed data sets, and what became of the uncertainty.
pooled = bg.fit_multiple("Reaction ~ Days + age + (Days | Subject)", frames, random_seed=1)
print(pooled, end="\n\n")
print(bg.avg_comparisons(pooled, {"age": 10}), end="\n\n")

# Instead of dropping: how many rows and subjects that would have lost.
complete = seen.dropna()
dropped = bg.GLMM("Reaction ~ Days + age + (Days | Subject)", complete).fit(random_seed=1)
print(bg.table({"imputed": pooled, "rows dropped": dropped}))
