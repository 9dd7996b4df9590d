# Columns that R makes of the functions of formulas: writes functions.json, which test_functions.py compares with.
#   Rscript tests/design/functions.R
suppressPackageStartupMessages({library(splines); library(Hmisc); library(MASS); library(jsonlite)})
rcs <- function(x, nk) if (length(nk) == 1) rcspline.eval(x, nk = nk, inclx = TRUE) else rcspline.eval(x, nk, inclx = TRUE)
i <- 1:30
data <- data.frame(
  x = round(3 * sin(1.7 * i) + i / 20, 3), w = round(exp(cos(i)), 3), k = (i %/% 2) %% 4, year = 2000 + (3 * i) %% 5,
  f = c("b", "a", "c")[1 + (5 * i) %% 3], h = c("v", "u")[1 + i %% 2],
  heap = pmax(0, round(4 * sin(2.3 * i), 2))
)
new <- data.frame(x = c(-1.5, 0, 2.25, 1), w = c(0.5, 1, 2, 2.5), k = c(3, 0, 1, 2), year = c(2004, 2000, 2002, 2001),
                  f = c("a", "c", "b", "b"), h = c("u", "u", "v", "v"), heap = c(0, 1, 2, 3))
terms <- c(
  "factor(k)", "as.factor(year)", "factor(f, levels = c('c', 'a', 'b'))", "factor(k, labels = c('p', 'q', 'r', 's'))",
  "factor(ifelse(k == 1, 'b', 'a'))", "factor(x > 0)", "relevel(factor(f), ref = 'c')", "interaction(f, h)",
  "interaction(h, factor(k), sep = '_')", "I(x > 0)", "I(x > 0 & w < 1)", "I(x > 1 | f == 'a')", "I(!(f %in% c('a', 'b')))",
  "I(k %in% 2:3)", "ifelse(x > 0, x, 0)", "pmax(x, 0)", "pmin(x, w, 1)", "sqrt(pmax(x, 0))", "log2(w)", "log10(w + 1)",
  "log1p(w)", "log(w, 2)", "log(w, base = 3)", "sin(2 * pi * x)", "cos(pi * x / 2)", "abs(x)", "exp(-w)", "I(x^2)",
  "I(-x^2)", "I(2^-w)", "I(k %% 3)", "I(x %/% 2)", "round(x, 1)", "ceiling(x)", "atan(x)", "poly(x, 3)",
  "poly(x, 2, raw = TRUE)", "ns(x, 3)", "ns(w, df = 4)", "ns(x, knots = c(-1, 1))", "ns(x, df = 4, intercept = TRUE)",
  "ns(w, 2, Boundary.knots = c(0.6, 2.2))", "bs(x, df = 5)", "bs(w, knots = c(1, 2))", "bs(x, df = 4, Boundary.knots = c(-6, 8))", "bs(x, df = 5, intercept = TRUE) - 1", "bs(x, df = 4, degree = 2)", "rcs(x, 3)",
  "rcs(x, 5)", "rcs(w, 4)", "rcs(w, c(0.5, 1, 2))", "rcs(heap, 4)", "scale(x)", "scale(x, scale = FALSE)", "cut(x, 3)",
  "cut(x, breaks = c(-Inf, -1, 1, Inf))", "cut(k, c(0, 1, 3), include.lowest = TRUE)", "cut(x, c(-4, 0, 6), right = FALSE)",
  "cut(w, 4, labels = FALSE)", "cut(w, c(0, 1, 3), labels = c('low', 'high'))", "cut(x, seq(-4, 8, 4))", "as.numeric(factor(f))",
  "as.numeric(as.character(factor(year)))", "as.integer(x)", "I((x - mean(x)) / sd(x))", "I(x - median(x))", "ave(x, f)",
  "I(x - ave(x, f))", "C(factor(f), contr.sum)", "C(factor(f), sum)", "C(factor(k), contr.helmert)", "C(factor(k), contr.poly)",
  "C(factor(k), contr.sdif)", "C(factor(f), contr.SAS)", "h * factor(k)", "f * scale(x)", "x %in% f", "h + x %in% h",
  "poly(x, 2):h", "0 + factor(k)", "factor(f):ns(x, 2)"
)
one <- function(text) {
  # functions that R computes anew on new data keep here what they remember there
  mf <- model.frame(as.formula(paste("~", text)), data)
  X <- model.matrix(attr(mf, "terms"), mf)
  remembers <- !grepl("rcs|C\\(|cut\\(.*[a-z], [34]|mean|sd\\(|median|ave\\(", text)
  at <- if (remembers) model.matrix(attr(mf, "terms"), model.frame(attr(mf, "terms"), new, xlev = .getXlevels(attr(mf, "terms"), mf))) else NULL
  list(term = text, names = colnames(X), X = signif(unname(X), 10), new = if (remembers) signif(unname(at), 10))
}
failed <- function(text) tryCatch(one(text), error = function(e) list(term = text, error = conditionMessage(e)))
out <- lapply(terms, failed)
for (o in out) if (!is.null(o$error)) message(o$term, ": ", o$error)
write(toJSON(list(data = data, new = new, terms = out), digits = NA, auto_unbox = TRUE, null = "null"), "tests/design/functions.json")
