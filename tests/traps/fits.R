# Likelihood fits of the traps: reads the cases and their tables, writes estimates with standard errors.
# Called by make.py as: Rscript fits.R FOLDER
suppressMessages({library(jsonlite); library(lme4); library(glmmTMB); library(ordinal)})

folder <- commandArgs(trailingOnly = TRUE)[1]
cases <- fromJSON(file.path(folder, "cases.json"), simplifyVector = FALSE)
families <- list(poisson = poisson, binomial = binomial, negativebinomial = nbinom2, beta = beta_family,
                 gamma = function() Gamma(link = "log"))

# REML is what a flat prior on the coefficients says about the sds. glmmTMB's coefficients come from maximum likelihood:
# under REML it reports the joint mode of coefficients and effects, which is not that of the coefficients alone.
fit_one <- function(case, data, reml) {
  formula <- as.formula(case$r)
  grouped <- grepl("|", case$r, fixed = TRUE)
  if (case$family == "cumulative") return(clmm(update(formula, factor(rating) ~ .), data = data, nAGQ = 15))
  if (case$family %in% c("gaussian", "lognormal")) return(if (grouped) lmer(formula, data) else lm(formula, data))
  if (!grouped) return(glm(formula, families[[case$family]](), data))
  glmmTMB(formula, data, family = families[[case$family]](), REML = reml)
}

coefficients_of <- function(fit) {
  if (inherits(fit, "glmmTMB")) return(list(fixef(fit)$cond, as.matrix(vcov(fit)$cond)))
  if (inherits(fit, "lmerMod")) return(list(fixef(fit), as.matrix(vcov(fit))))
  if (inherits(fit, "clmm")) return(list(fit$beta, vcov(fit)[names(fit$beta), names(fit$beta), drop = FALSE]))
  list(coef(fit), vcov(fit))
}

spreads_of <- function(fit) {
  if (inherits(fit, "glmmTMB")) return(lapply(VarCorr(fit)$cond, attr, "stddev"))
  if (inherits(fit, "lmerMod")) return(lapply(VarCorr(fit), attr, "stddev"))
  if (inherits(fit, "clmm")) return(lapply(VarCorr(fit), attr, "stddev"))
  list()
}

version_of <- function(fit) {
  package <- c(glmmTMB = "glmmTMB", lmerMod = "lme4", clmm = "ordinal")[class(fit)[1]]
  if (is.na(package)) R.version.string else paste(package, packageVersion(package))
}

answer <- function(case) {
  data <- read.csv(file.path(folder, case$table), stringsAsFactors = TRUE)
  fit <- fit_one(case, data, reml = FALSE)
  found <- coefficients_of(fit)
  beta <- found[[1]]; covariance <- found[[2]]
  result <- list(source = version_of(fit), coefficients = lapply(names(beta), function(name)
    c(beta[[name]], sqrt(covariance[name, name]))), spreads = lapply(spreads_of(fit_one(case, data, reml = TRUE)), as.list))
  names(result$coefficients) <- names(beta)
  if (case$family != "cumulative") {
    fixed <- nobars(as.formula(case$r))
    frame <- model.frame(fixed, data)
    X <- model.matrix(fixed, frame)[unlist(case$rows) + 1, , drop = FALSE]
    X <- X[, names(beta), drop = FALSE]
    offset <- model.offset(frame)
    eta <- as.vector(X %*% beta) + if (is.null(offset)) 0 else offset[unlist(case$rows) + 1]
    result$eta <- lapply(seq_along(eta), function(i) c(eta[i], sqrt(drop(X[i, ] %*% covariance %*% X[i, ]))))
  }
  result
}

figures <- lapply(cases, function(case) { message(case$id); answer(case) })
names(figures) <- sapply(cases, `[[`, "id")
write_json(figures, file.path(folder, "figures.json"), digits = 10, auto_unbox = TRUE, pretty = TRUE)
