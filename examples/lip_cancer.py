"""Where is lip cancer more common than it should be? The districts of Scotland, 1975 to 1980 (Clayton, Kaldor 1987)."""

import bayes_glmm as bg

# One row a district: cases, those expected by age and sex, the per cent who work outdoors, and its neighbours.
districts = bg.load_dataset("lip_cancer")
districts["outdoors"] = districts["aff"] / 10
near = bg.Adjacency({row.district: row.neighbours.split() for row in districts.itertuples()})
print(near, end="\n\n")

# Districts differ from what is expected, and neighbours differ alike: phi is the share that neighbours have in common.
formula = "cases ~ outdoors + offset(log(expected)) + bym2(district)"
model = bg.GLMM(formula, districts, family="poisson", covariances={"district": near})
fit = model.fit(random_seed=1)
print(fit, end="\n\n")

# Ten per cent more people who work outdoors: the rate is multiplied by this.
print(bg.avg_comparisons(fit, "outdoors", comparison="ratio"), end="\n\n")

# The relative risk of each district beside the crude ratio of cases to those expected: few cases say little.
expected = districts.assign(expected=1.0)
risk = bg.predictions(fit, expected)[["district", "estimate", "lower", "upper"]]
risk.insert(1, "crude", (districts["cases"] / districts["expected"]).to_numpy())
print(risk.sort_values("estimate", ascending=False).head(8), end="\n\n")

# Does the map help? The same districts with independent effects.
independent = bg.GLMM("cases ~ outdoors + offset(log(expected)) + (1 | district)", districts, family="poisson").fit(
    random_seed=1
)
print(bg.table({"map": fit, "independent": independent}))
