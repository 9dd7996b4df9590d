# One fit by an R package in this process. Run as: Rscript benchmarks/child.R job.dcf
# Writes result.dcf, and for draws names.txt and draws.bin (float64, iterations x chains x parameters, R's order).
clock <- function() as.numeric(Sys.time())
started <- clock()
job <- as.list(read.dcf(commandArgs(TRUE)[1])[1, ])
suppressPackageStartupMessages(library(job$package, character.only = TRUE))
imported <- clock()

data <- read.csv(file.path(job$data, "data.csv"), check.names = FALSE)
levels <- read.csv(file.path(job$data, "levels.csv"), colClasses = "character")
for (column in unique(levels$column)) {
  data[[column]] <- factor(as.character(data[[column]]), levels = levels$level[levels$column == column])
}
formula <- as.formula(job$formula)
seed <- as.integer(job$seed)
cores <- as.integer(job$cores)
chains <- as.integer(job$chains)
set.seed(seed)
logit <- binomial()

begun <- clock()
fit <- switch(
  paste(job$package, job$family),
  "lme4 gaussian" = lmer(formula, data),
  "lme4 binomial" = , "lme4 bernoulli" = glmer(formula, data, family = logit),
  "lme4 negativebinomial" = glmer.nb(formula, data),
  "glmmTMB gaussian" = glmmTMB(formula, data),
  "glmmTMB binomial" = , "glmmTMB bernoulli" = glmmTMB(formula, data, family = logit),
  "glmmTMB negativebinomial" = glmmTMB(formula, data, family = nbinom2()),
  "glmmTMB zero_inflated_poisson" = glmmTMB(formula, data, family = poisson(), ziformula = ~1),
  "glmmTMB beta_binomial" = glmmTMB(formula, data, family = betabinomial()),
  "rstanarm gaussian" = stan_lmer(formula, data, chains = chains, cores = cores, seed = seed, refresh = 0),
  "rstanarm binomial" = , "rstanarm bernoulli" =
    stan_glmer(formula, data, family = logit, chains = chains, cores = cores, seed = seed, refresh = 0),
  "rstanarm negativebinomial" = stan_glmer.nb(formula, data, chains = chains, cores = cores, seed = seed, refresh = 0)
)
done <- clock()

# The high-water mark of this process; chains that ran in workers of their own are about as large each.
status <- tryCatch(readLines("/proc/self/status"), error = function(e) character())
peak <- as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024
result <- list(import_s = imported - started, seconds = done - begun, peak_mib = if (length(peak)) peak else NA)
if (job$package == "rstanarm") {
  draws <- as.array(fit)
  writeBin(as.vector(draws), file.path(job$folder, "draws.bin"))
  writeLines(dimnames(draws)[[3]], file.path(job$folder, "names.txt"))
  stats <- rstan::get_sampler_params(fit$stanfit, inc_warmup = FALSE)
  result$iterations <- dim(draws)[1]
  result$chains <- dim(draws)[2]
  result$gradients_per_draw <- mean(sapply(stats, function(s) mean(s[, "n_leapfrog__"])))
  result$divergences <- sum(sapply(stats, function(s) sum(s[, "divergent__"])))
}
write.dcf(as.data.frame(result), file.path(job$folder, "result.dcf"))
