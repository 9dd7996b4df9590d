"""A mean and a spread that both depend on predictors and differ between people: the sleep study (lme4's sleepstudy)."""

import bayes_glmm as bg

# Reaction times of 18 people over ten days of bad sleep.
data = bg.load_dataset("sleepstudy")

# The mean has a slope for every subject; log sigma has a formula of its own. Terms of the name p are correlated.
model = bg.GLMM("Reaction ~ Days + (Days | p | Subject)", data, dpar_formulas={"sigma": "~ Days + (1 | p | Subject)"})
fit = model.fit(random_seed=1)
print(fit, end="\n\n")

# The sd of reaction times on the first and on the last day, averaged over people.
days = bg.grid(fit, Days=[0, 9])
print(bg.predictions(fit, days, scale="sigma", random_effects="marginal"), end="\n\n")

# Who is steady, and who is not: departures of log sigma.
people = bg.random_effects(fit).query("term == 'sigma_Intercept'").sort_values("estimate")
print(people.iloc[[0, 1, -2, -1]], end="\n\n")

# Do those who slow down more vary more?
correlation = fit.posterior["corr_Subject"].sel(Subject_coef="Days", Subject_coef_2="sigma_Intercept")
print(f"The correlation is positive with probability {float((correlation > 0).mean()):.2f}.")
