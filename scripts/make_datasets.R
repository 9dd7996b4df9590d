# Write the data sets of bayes_glmm/datasets/ and their factor levels from the R packages they come from.
# Run from the project root: Rscript scripts/make_datasets.R
# Needs lme4, mlmRev, MASS, HSAUR3, geepack and jsonlite (Debian: r-cran-<name in lower case>).

target <- "bayes_glmm/datasets/data"
sources <- list(
  lme4 = c("Arabidopsis", "cake", "cbpp", "Dyestuff", "Dyestuff2", "grouseticks", "InstEval", "Pastes",
           "Penicillin", "sleepstudy", "VerbAgg"),
  mlmRev = c("Chem97", "Contraception"),
  MASS = c("bacteria", "epil", "quine"),
  HSAUR3 = c("respiratory", "toenail"),
  geepack = c("ohio")
)
# Grouping columns that R keeps as integers.
groups <- list(Arabidopsis = "gen", epil = "subject", ohio = "id")
compress_above <- 100e3

read <- function(name, package) {
  room <- new.env()
  data(list = name, package = package, envir = room)
  frame <- as.data.frame(room[[name]])
  for (column in groups[[name]]) frame[[column]] <- factor(frame[[column]])
  frame
}

# "numeric" stands for levels that are whole numbers in rising order: thousands of them need not be listed.
describe <- function(column) {
  levels <- levels(column)
  whole <- grepl("^(0|[1-9][0-9]*)$", levels)
  numeric <- all(whole) && !is.unsorted(as.numeric(levels))
  all_used <- all(levels %in% column)
  list(levels = if (numeric && all_used) "numeric" else I(levels), ordered = is.ordered(column))
}

dir.create(target, showWarnings = FALSE)
columns <- list()
for (package in names(sources)) for (name in sources[[package]]) {
  frame <- read(name, package)
  factors <- Filter(is.factor, frame)
  columns[[name]] <- lapply(factors, function(column) {
    entry <- describe(column)
    if (!entry$ordered) entry$ordered <- NULL
    entry
  })
  path <- file.path(target, paste0(name, ".csv"))
  write.csv(frame, path, row.names = FALSE, quote = TRUE, na = "")
  if (file.size(path) > compress_above) {
    text <- readLines(path)
    unlink(path)
    out <- gzfile(paste0(path, ".gz"), "w", compression = 9)
    writeLines(text, out)
    close(out)
  }
  cat(name, package, format(packageVersion(package)), dim(frame), "\n")
}
columns <- columns[order(tolower(names(columns)))]
writeLines(jsonlite::toJSON(columns, auto_unbox = TRUE, pretty = FALSE), file.path(target, "levels.json"))
