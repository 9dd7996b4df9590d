"""Two responses of one trial, and whether a vaccine does more where the disease is common (13 trials of BCG)."""

import bayes_glmm as bg

# Cases of tuberculosis among the vaccinated (tpos) and the others (cpos).
trials = bg.load_dataset("bcg")

# A list of formulas is one model. The id t says that a trial's effects on both arms are correlated.
formulas = ["p(tpos, tpos + tneg) ~ 1 + (1 |t| trial)", "p(cpos, cpos + cneg) ~ 1 + (1 |t| trial)"]
fit = bg.GLMM(formulas, trials, families="binomial").fit(random_seed=1)
print(fit, end="\n\n")

# The risk in either arm, averaged over trials like these.
for arm in fit.responses:
    print(bg.predictions(fit[arm], bg.grid(fit[arm]), random_effects="marginal"), end="\n\n")

# How steeply the log odds of the vaccinated rise with the others': one if the vaccine did the same everywhere.
sd = fit.posterior["sd_trial"]
corr = fit.posterior["corr_trial"].sel(trial_coef="tpos_Intercept", trial_coef_2="cpos_Intercept", drop=True)
slope = corr * sd.sel(trial_coef="tpos_Intercept") / sd.sel(trial_coef="cpos_Intercept", drop=True)
print(f"Slope {float(slope.mean()):.2f}; the vaccine does more where the disease is common, with probability", end=" ")
print(f"{float((slope < 1).mean()):.2f}.")
