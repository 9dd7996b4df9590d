"""How long until an infection, where some catheters came out before one: 38 patients, two times each (kidney)."""

import bayes_glmm as bg

# Where status is 0 the catheter was removed for another reason: the infection would have come later than `time`.
patients = bg.load_dataset("kidney")
print(f"{(patients['status'] == 0).sum()} of {len(patients)} times are censored.", end="\n\n")

# Surv(time, event) is as in R's survival; (1 | id) is the frailty: what two times of one patient have in common.
model = bg.GLMM("Surv(time, status) ~ age + sex + disease + (1 | id)", patients, family="weibull")
fit = model.fit(random_seed=1)
print(fit, end="\n\n")

# Ratios of expected times.
print(bg.avg_comparisons(fit, ["sex", "disease"], comparison="ratio", random_effects="typical"), end="\n\n")

# The probability that a new patient has no infection for so many days: a survival curve, at five places.
people = bg.grid(fit, sex=["male", "female"])
drawn = bg.posterior_predictive(fit, people, random_effects="new", random_seed=1)["posterior_predictive"]["time"]
for days in (10, 30, 100, 200, 400):
    free = (drawn > days).mean(("chain", "draw")).values
    told = ", ".join(f"{sex} {share:.2f}" for sex, share in zip(people["sex"], free, strict=True))
    print(f"Free of infection for {days} days: {told}")

# Is it a Weibull distribution? Residuals know which times are censored, and so does leaving one out.
print("", bg.check_residuals(bg.simulate_residuals(fit, random_seed=1)), sep="\n", end="\n\n")
lognormal = bg.GLMM(model.spec.formula.text, patients, family="lognormal").fit(random_seed=1)
print(bg.compare({"weibull": bg.loo(fit), "lognormal": bg.loo(lognormal)}), end="\n\n")

# What ignoring it costs: removals taken for infections, or left out.
formula = "time ~ age + sex + disease + (1 | id)"
infected = bg.GLMM(formula, patients, family="weibull").fit(random_seed=1)
dropped = bg.GLMM(formula, patients[patients["status"] == 1], family="weibull").fit(random_seed=1)
for name, one in (("Censored", fit), ("As if infected", infected), ("Left out", dropped)):
    print(f"{name}: {bg.avg_predictions(one)['estimate'].item():.0f} days on average.")
