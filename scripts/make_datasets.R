# Write the data sets of bayes_glmm/datasets/ and their factor levels from the R packages they come from.
# Run from the project root: Rscript scripts/make_datasets.R
# Needs lme4, mlmRev, MASS, HSAUR3, geepack, metadat, metafor, survival and jsonlite (Debian: r-cran-<name in lower case>).

target <- "bayes_glmm/datasets/data"
sources <- list(
  lme4 = c("Arabidopsis", "cake", "cbpp", "Dyestuff", "Dyestuff2", "grouseticks", "InstEval", "Pastes",
           "Penicillin", "sleepstudy", "VerbAgg"),
  mlmRev = c("Chem97", "Contraception"),
  MASS = c("bacteria", "epil", "quine"),
  HSAUR3 = c("respiratory", "toenail"),
  geepack = c("ohio"),
  metadat = c("bcg", "konstantopoulos2011"),
  survival = c("kidney"),
  nlme = c("Ovary")
)
# What R calls a data set, where that is another name.
called <- list(bcg = "dat.bcg", konstantopoulos2011 = "dat.konstantopoulos2011")
# Grouping columns that R keeps as integers.
groups <- list(Arabidopsis = "gen", epil = "subject", ohio = "id", bcg = c("trial", "alloc"),
               konstantopoulos2011 = c("district", "school", "study"), kidney = c("id", "sex"), Ovary = c("Mare"))
# Columns that are computed of those R has.
computed <- list(
  bcg = function(frame) {
    effects <- metafor::escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = frame)
    frame$study <- paste(frame$author, frame$year)
    frame$study <- factor(frame$study, levels = frame$study)
    frame$yi <- round(as.numeric(effects$yi), 8)
    frame$sei <- round(sqrt(effects$vi), 8)
    frame[c("trial", "study", "year", "tpos", "tneg", "cpos", "cneg", "ablat", "alloc", "yi", "sei")]
  },
  konstantopoulos2011 = function(frame) {
    frame$yi <- as.numeric(frame$yi)
    frame$sei <- round(sqrt(frame$vi), 8)
    frame
  },
  kidney = function(frame) {
    levels(frame$sex) <- c("male", "female")
    frame$disease <- relevel(frame$disease, "Other")
    frame[c("id", "time", "status", "age", "sex", "disease")]
  }
)
compress_above <- 100e3

read <- function(name, package) {
  room <- new.env()
  name_there <- if (is.null(called[[name]])) name else called[[name]]
  suppressWarnings(data(list = name_there, package = package, envir = room))
  # survival keeps its data sets in files of several
  frame <- as.data.frame(if (exists(name_there, room)) room[[name_there]] else getExportedValue(package, name_there))
  for (column in groups[[name]]) frame[[column]] <- factor(frame[[column]])
  if (is.null(computed[[name]])) frame else computed[[name]](frame)
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
