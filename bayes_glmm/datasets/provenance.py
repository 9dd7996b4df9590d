"""Where each data set comes from, under which licence, and what it holds: one entry per data set.

Input: nothing. Output: `SOURCES`, read by `load_dataset`, `list_datasets` and the tests.
"""

from dataclasses import dataclass

__all__ = ["SOURCES", "Source"]

_LICENCES = {
    "lme4": "GPL (>= 2)",
    "mlmRev": "GPL (>= 2)",
    "MASS": "GPL-2 | GPL-3",
    "HSAUR3": "GPL-2",
    "geepack": "GPL (>= 3)",
    "metadat": "GPL (>= 2)",
    "nlme": "GPL (>= 2)",
    "example-models": "BSD-3-Clause",
    "survival": "LGPL (>= 2)",
}
_VERSIONS = {
    "lme4": "1.1-31",
    "mlmRev": "1.0-8",
    "MASS": "7.3-58.2",
    "HSAUR3": "1.0-13",
    "geepack": "1.3.9",
    "metadat": "1.2-0",
    "nlme": "3.1-162",
    "example-models": "b23dd48",
    "survival": "3.5-3",
}


@dataclass(frozen=True)
class Source:
    """Origin of one data set."""

    package: str
    """The R package whose file this is; of one, Stan's repository of examples."""
    citation: str
    """Who published the data."""
    description: str
    """What a row is, and the usual model."""

    @property
    def version(self) -> str:
        """Version of the R package that the file was written from."""
        return _VERSIONS[self.package]

    @property
    def licence(self) -> str:
        """Licence of the R package, and so of the file."""
        return _LICENCES[self.package]


SOURCES: dict[str, Source] = {
    "Arabidopsis": Source(
        "lme4",
        "Banta, Stevens, Pigliucci (2010), Oikos 119, 359-369",
        "Fruits per plant under clipping and nutrients; counts in genotypes in populations",
    ),
    "bacteria": Source(
        "MASS",
        "Menzies School of Health Research, Darwin; Venables, Ripley (2002), Modern Applied Statistics with S",
        "Presence of H. influenzae in children with otitis media at up to five visits; binary within child",
    ),
    "bcg": Source(
        "metadat",
        "Colditz, Brewer, Berkey, et al. (1994), JAMA 271, 698-702",
        "Thirteen trials of the BCG vaccine against tuberculosis, with log risk ratios; a meta-analysis",
    ),
    "cake": Source(
        "lme4",
        "Cook (1938), thesis, Iowa State College; Cochran, Cox (1957), Experimental Designs",
        "Breaking angle of chocolate cakes by recipe and temperature; a split plot in replicates",
    ),
    "cbpp": Source(
        "lme4",
        "Lesnoff, Laval, Bonnet, et al. (2004), Preventive Veterinary Medicine 62, 89-105",
        "New cases of bovine pleuropneumonia among a herd's animals in four periods; binomial within herd",
    ),
    "Chem97": Source(
        "mlmRev",
        "Fielding, Yang, Goldstein (2003), Statistical Modelling 3, 127-153",
        "A-level chemistry scores of 31 022 students in schools in education authorities; gaussian or ordinal",
    ),
    "Contraception": Source(
        "mlmRev",
        "Huq, Cleland (1990), Bangladesh Fertility Survey 1989; Steele, Diamond, Amin (1996)",
        "Use of contraception by women in 60 districts of Bangladesh; binary within district",
    ),
    "Dyestuff": Source(
        "lme4",
        "Davies, Goldsmith (1972), Statistical Methods in Research and Production",
        "Yield of dyestuff in six batches; the smallest balanced one-way design",
    ),
    "Dyestuff2": Source(
        "lme4",
        "Box, Tiao (1973), Bayesian Inference in Statistical Analysis",
        "Simulated yields in six batches whose variance between batches is estimated as zero",
    ),
    "epil": Source(
        "MASS",
        "Thall, Vail (1990), Biometrics 46, 657-671",
        "Epileptic seizures in four two-week periods under placebo or progabide; overdispersed counts within patient",
    ),
    "grouseticks": Source(
        "lme4",
        "Elston, Moss, Boulinier, Arrowsmith, Lambin (2001), Parasitology 122, 563-569",
        "Ticks on red grouse chicks in broods at locations over three years; overdispersed nested counts",
    ),
    "InstEval": Source(
        "lme4",
        "Anonymised lecture evaluations at ETH Zurich, provided by lme4's authors",
        "73 421 lecture ratings by 2972 students of 1128 instructors; large crossed factors",
    ),
    "kidney": Source(
        "survival",
        "McGilchrist, Aisbett (1991), Biometrics 47, 461-466",
        "Two times to infection at the catheter of 38 kidney patients; censored times within patient",
    ),
    "konstantopoulos2011": Source(
        "metadat",
        "Konstantopoulos (2011), Research Synthesis Methods 2, 61-76",
        "Effects of a modified school calendar in 56 schools of 11 districts; a meta-analysis of three levels",
    ),
    "lip_cancer": Source(
        "example-models",
        "Clayton, Kaldor (1987), Biometrics 43, 671-681; Stern, Cressie (1999)",
        "Cases of lip cancer in 56 districts of Scotland, those expected, and which districts are neighbours; a map",
    ),
    "ohio": Source(
        "geepack",
        "Fitzmaurice, Laird (1993), Biometrika 80, 141-151; Six Cities study",
        "Wheezing of children at four ages by the mother's smoking; binary within child",
    ),
    "Ovary": Source(
        "nlme",
        "Pierson, Ginther (1987), Animal Reproduction Science 14, 219-231; Pinheiro, Bates (2000)",
        "Large ovarian follicles of eleven mares, day by day around two ovulations; series in time",
    ),
    "Pastes": Source(
        "lme4",
        "Davies, Goldsmith (1972), Statistical Methods in Research and Production",
        "Strength of a paste by cask in batch; a nested design",
    ),
    "Penicillin": Source(
        "lme4",
        "Davies, Goldsmith (1972), Statistical Methods in Research and Production",
        "Growth-inhibition diameters of six samples on each of 24 plates; a balanced crossed design",
    ),
    "quine": Source(
        "MASS",
        "Quine (1975), Australian National University; Aitkin (1978), JRSS A 141, 195-223",
        "Days absent from school by ethnicity, sex, age and learner status; overdispersed counts",
    ),
    "respiratory": Source(
        "HSAUR3",
        "Davis (1991), Statistics in Medicine 10, 1959-1980",
        "Respiratory status at a baseline and four monthly visits under treatment or placebo; binary within patient",
    ),
    "sleepstudy": Source(
        "lme4",
        "Belenky, Wesensten, Thorne, et al. (2003), Journal of Sleep Research 12, 1-12",
        "Reaction times over ten days of restricted sleep; random intercepts and slopes",
    ),
    "toenail": Source(
        "HSAUR3",
        "De Backer, De Vroey, Lesaffre, Scheys, De Keyser (1998), Journal of the American Academy of Dermatology 38",
        "Toenail infection at up to seven visits under two treatments; binary with a large variance between patients",
    ),
    "VerbAgg": Source(
        "lme4",
        "Vansteelandt (2000), thesis, KU Leuven; De Boeck, Wilson (2004), Explanatory Item Response Models",
        "Answers of 316 persons to 24 items on verbal aggression; binary or ordinal, persons crossed with items",
    ),
}
