"""How much of a trait is inherited: an animal model on a simulated pedigree, where the answer is known."""

import bayes_glmm as bg

# Every row is an animal with its parents. Founders were not weighed, but the weights of others need them.
animals = bg.simulate("animals", random_seed=1)
pedigree = bg.Pedigree(animals)
print(pedigree, end="\n\n")

# Breeding values a ~ N(0, sd^2 A): relatives resemble each other. What mothers give beside genes is a term of its own.
weighed = animals.dropna(subset="weight")
model = bg.GLMM("weight ~ sex + (1 | animal) + (1 | dam)", weighed, covariances={"animal": pedigree})
fit = model.fit(random_seed=1)
print(fit, end="\n\n")

truth = animals.attrs["truth"]
additive, maternal = (truth["sd"][name]["Intercept"] ** 2 for name in ("animal", "dam"))
share = additive / (additive + maternal + truth["dispersion"]["sigma"] ** 2)
print(bg.heritability(fit, additive="animal"), f"It is {share:.2f} in truth.", sep="\n", end="\n\n")

# Without the mothers their care counts as genes.
careless = fit.update(". ~ . - (1 | dam)", random_seed=1)
print("Without mothers:", bg.heritability(careless, additive="animal"), sep="\n", end="\n\n")

# Breeding values of animals that nobody weighed: the founders, known through their descendants.
values = bg.random_effects(fit)
founders = values[(values["group"] == "animal") & ~values["level"].isin(weighed["animal"].astype(str))]
print("The best founders:", founders.nlargest(3, "estimate").to_string(index=False), sep="\n")
