"""The notebooks run as a reader would run them, hold the outputs that running them gives, and carry nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import bayes_glmm as bg

matplotlib.use("Agg")

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def answers(path: Path) -> list[str]:
    """Return the code in the folded answers to the exercises."""
    folded = [re.findall(r"<details>.*?</details>", "".join(cell["source"]), re.S) for cell in cells(path, "markdown")]
    return re.findall(r"```python\n(.*?)```", "".join(sum(folded, [])), re.S)


def run(name: str, with_answers: bool = False) -> dict:
    """Run every code cell in one namespace, then the answers to the exercises if asked for."""
    path = EXAMPLES / f"{name}.ipynb"
    space: dict = {"__name__": "notebook"}
    code = ["".join(cell["source"]) for cell in cells(path, "code")] + answers(path) * with_answers
    with matplotlib.rc_context():
        for number, source in enumerate(code):
            exec(compile(source, f"{path.name}, code cell {number}", "exec"), space)
    plt.close("all")
    return space


def holds(row, truth: float) -> bool:
    """Say whether the interval of a row of effects holds the truth."""
    return bool(row["lower"] < truth < row["upper"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_complete_and_nobodys_machine(path):
    text = path.read_text()
    assert len(text) < 600_000
    assert not re.search(r"/(home|root|Users|tmp|usr|opt)/", text)
    for cell in cells(path, "code"):
        assert cell["execution_count"], "a cell was not run"
        assert not [out for out in cell["outputs"] if out["output_type"] == "error" or out.get("name") == "stderr"]
    assert [cell["execution_count"] for cell in cells(path, "code")] == list(range(1, len(cells(path, "code")) + 1))


def test_infection_protocol_tells_both_stories_from_one_fit(capsys):
    space = run("infection_protocol")
    manager, minister = space["manager"].iloc[0], space["minister"].iloc[0]
    assert manager["lower"] < space["true_manager"] < manager["upper"]
    assert minister["lower"] < space["true_minister"] < minister["upper"]
    assert manager["estimate"] < space["true_minister"] < 1  # the minister's odds ratio is the one nearer to 1
    country = space["differences"]["all hospitals"].iloc[0]
    assert country["lower"] < space["true_difference"] < country["upper"] < 0
    assert np.abs(country["estimate"]) > np.abs(space["differences"]["one typical hospital"]["estimate"].iloc[0])
    assert "posterior probability" in capsys.readouterr().out


@pytest.mark.slow
def test_answers_of_infection_protocol():
    space = run("infection_protocol", with_answers=True)
    assert space["one_story"]["typical"] == pytest.approx(space["one_story"]["marginal"], rel=0.02)
    effects = space["log_link"]
    assert effects["typical", "ratio"] == pytest.approx(effects["marginal", "ratio"], rel=1e-6)
    assert effects["marginal", "difference"] > 1.2 * effects["typical", "difference"]
    assert 1 - space["manager"]["estimate"].iloc[0] == pytest.approx(0.6, abs=0.03)  # as the newspaper has it
    assert 1 - space["minister"]["estimate"].iloc[0] == pytest.approx(0.5, abs=0.03)


def test_step_counts_find_the_factor_of_coaching_after_the_last_repair_only():
    space = run("step_counts")
    effects, truth = space["effects"], space["true_factor"]
    assert [holds(row, truth) for row in effects.values()] == [False, False, False, True]
    widths = {name: row["upper"] - row["lower"] for name, row in effects.items()}
    assert widths["Poisson"] < 0.005 < 0.1 < widths["negative binomial"]
    assert space["negative"] > 0.3 and space["ratio"] > 1000
    assert 19e6 < space["days"]["steps"].sum() < 21e6  # "some twenty million" steps
    sds = {name: space[name].summary().set_index("term") for name in ("negative_binomial", "mixed")}
    assert sds["mixed"].loc["phi", "mean"] > 1.4 * sds["negative_binomial"].loc["phi", "mean"]
    assert sds["mixed"].loc["age", "sd"] > 3 * sds["negative_binomial"].loc["age", "sd"]


@pytest.mark.slow
def test_answers_of_step_counts():
    space = run("step_counts", with_answers=True)
    assert space["sd_of_a_person"] == pytest.approx(4001, rel=0.02)
    assert space["weekend_sd"]["ci_lower"] < 0.05
    assert space["epil"]["y"].var() / space["epil"]["y"].mean() == pytest.approx(18, abs=0.5)
    last = {name: space[name].summary().set_index("term").loc["V4"] for name in ("epil_poisson", "epil_negative")}
    width = {name: row["ci_upper"] - row["ci_lower"] for name, row in last.items()}
    assert width["epil_negative"] > 1.5 * width["epil_poisson"]
    assert last["epil_poisson"]["ci_upper"] < 0 < last["epil_negative"]["ci_upper"]


def test_the_crowd_predicts_best_and_believes_no_two_women():
    space = run("the_crowd")
    assert list(space["misses"].idxmin(axis=1).unique()) == ["partial pooling"]
    miss = space["typical_miss"]
    assert miss["no pooling"] > 0.99 * miss["complete pooling"] > 1.1 * miss["partial pooling"]
    assert space["overall"] == pytest.approx(0.39, abs=0.005) and space["outside"] > 9
    small = space["small"]["estimate"]
    assert space["overall"] < small["3"] < 0.5 and small["11"] < small["49"] and small["14"] > 0.58
    assert space["first"].iloc[0] < 0.5 and space["last"].index[0] == "11"
    three, hundred = space["spread"][3], space["spread"][100]
    assert three["ci_upper"] > 3 * three["ci_lower"] and hundred["ci_upper"] < 1.3 * hundred["ci_lower"]
    assert "rests on its prior" in space["of_three"].notes[0]


@pytest.mark.slow
def test_answers_of_the_crowd():
    space = run("the_crowd", with_answers=True)
    assert space["ends"]["tiny"].std() < 0.01
    kept = space["kept"]
    assert kept["Days"] == pytest.approx(0.8, abs=0.05) and kept["Intercept"] == pytest.approx(0.8, abs=0.05)
    assert kept["share of a district"] == pytest.approx(0.5, abs=0.03)
    assert space["batch_sd"]["ci_lower"] < 0.2 and 2 < space["batch_sd"]["ci_upper"] < 3
    assert float(space["batches"].posterior["sigma"].mean()) < 4


def test_under_the_hood_quadrature_and_nuts_agree_and_both_laplaces_bend():
    space = run("under_the_hood")
    sd = space["likelihood"]["sd"]
    assert sd[1] > 4.5 and sd[5] < 3.8 and sd[[15, 25, 51]].to_numpy() == pytest.approx(4.0, abs=0.07)
    intercept = space["answers"].loc["Intercept"]
    assert intercept["quadrature"] - intercept["Laplace"] == pytest.approx(0.9, abs=0.1)
    assert intercept["package's Laplace"] - intercept["NUTS"] == pytest.approx(0.75, abs=0.1)
    assert space["by_patient"].eq(0).mean() > 0.5
    sds = space["answers"].loc["sd"]
    assert sds["NUTS"] == pytest.approx(sds["quadrature"], abs=0.12)  # posterior mean and maximum
    assert sds["package's Laplace"] < sds["quadrature"] - 0.3 < sds["quadrature"] + 0.5 < sds["Laplace"]
    best, laplace = space["fits_well"].index
    assert space["fits_well"].loc[laplace, "by Laplace"] > space["fits_well"].loc[best, "by Laplace"]
    assert space["fits_well"].loc[laplace, "by 51 points"] < space["fits_well"].loc[best, "by 51 points"] - 3
    common, rare = space["found"].values()
    assert all(0.84 < values[0] / sd <= 0.905 and values[-1] / sd > 0.965 for sd, values in common.items())
    assert all(values[0] / sd > 2 and values[-1] / sd == pytest.approx(1, abs=0.02) for sd, values in rare.items())
    prior = space["small"].prior_table.beta[0].prior
    assert space["log_odds"] == pytest.approx(prior["mu"], abs=1e-3)
    assert space["walked"].mean() == pytest.approx(space["exact_mean"], abs=0.02)


@pytest.mark.slow
def test_answers_of_under_the_hood():
    space = run("under_the_hood", with_answers=True)
    rules = space["both_rules"]
    assert rules.loc[101, "adaptive"] == pytest.approx(rules.loc[101, "not adaptive"], abs=0.02)
    assert rules.loc[5, "adaptive"] - rules.loc[5, "not adaptive"] > 60
    near, far = space["cbpp_nuts"].summary(), space["cbpp_laplace"].summary()
    assert ((near["mean"] - far["mean"]).abs() < 0.25 * near["sd"]).all()
    ratio, risk = space["misled"].to_numpy()
    assert ratio[0] == pytest.approx(ratio[1], abs=0.03) and 1.6 < risk[1] / risk[0] < 2


def test_is_it_any_good_finds_the_model_that_is():
    space = run("is_it_any_good")
    passed = {name: bool((table["p_value"] > 0.05).all()) for name, table in space["tests"].items()}
    assert passed == {"Poisson": False, "Poisson, broods": False, "neg. binomial, broods": True}
    assert all(fit.convergence.passed for fit in space["models"].values())
    inside = {key: row["lower"] <= row["observed"] <= row["upper"] for key, row in space["checks"].items()}
    assert not inside["Poisson", "zeros"] and inside["neg. binomial, broods", "zeros"]
    assert space["believed"]["default"]["lower"] < 85 < space["believed"]["default"]["upper"]
    assert space["believed"]["Normal(0, 1)"]["upper"] > 9e18
    comparison = space["comparison"]
    assert list(comparison.index) == list(space["models"])[::-1]
    assert (comparison["elpd_diff"].abs() > 4 * comparison["dse"])[1:].all()
    assert space["calibration"].passed and not space["mistaken"].passed


@pytest.mark.slow
def test_answers_of_is_it_any_good():
    space = run("is_it_any_good", with_answers=True)
    assert space["left_out"]["new"] < 0.02 < 0.05 < space["left_out"]["conditional"]
    assert space["at_least_one"] > 1 / 3
    assert 3 <= space["reach"][1] <= 7 and space["reach"][3] > 60


def test_question_to_sentence_says_what_the_text_says():
    space = run("question_to_sentence")
    ratios = {whom: space["statements"][whom, "odds_ratio"]["estimate"] for whom in ("typical", "marginal")}
    assert ratios["typical"] > 1.2 * ratios["marginal"]  # and near four, which no sentence should call "four times"
    assert ratios["typical"] == pytest.approx(4, abs=0.4)
    assert space["positive"] > 0.99 and space["enough"] > 0.95 and space["nothing"] < 0.01
    pairs = bg.avg_comparisons(space["fit"], "treatment", by="visit", random_effects="marginal", hypothesis="pairwise")
    assert len(pairs) == 6 and ((pairs["lower"] < 0) & (pairs["upper"] > 0)).all()
    between, centres = space["between"].iloc[0], space["by_centre"]
    assert holds(between, 0.0)
    assert between["upper"] - between["lower"] > (centres["upper"] - centres["lower"]).max()
    assert f"{100 * space['by_arm']['estimate'].iloc[0]:.0f} more patients" in space["sentence"]


@pytest.mark.slow
def test_answers_of_question_to_sentence():
    space = run("question_to_sentence", with_answers=True)
    width = {whom: (table["upper"] - table["lower"]).min() for whom, table in space["chances"].items()}
    assert width["new"] > 3 * width["marginal"]
    assert 0.5 < space["largest"] < 0.8 and space["practically_one"] < 0.01


def test_your_own_data_goes_the_whole_way():
    space = run("your_own_data")
    model, effect, without = space["model"], space["effect"], space["effect_49"]
    assert space["table"]["Arm"].nunique() == 5 and space["left_out"] == 9 and model.design.response.y.size == 227
    assert space["fit"].convergence.passed and space["checks"]["p_value"].lt(0.05).sum() == 1
    assert effect["estimate"] == pytest.approx(0.73, abs=0.02) and space["fewer"] > 0.95
    assert without["estimate"] == pytest.approx(effect["estimate"], abs=0.05)
    assert space["same"]["estimate"] == pytest.approx(effect["estimate"])
    assert f"{effect['estimate']:.2f} (" in space["paragraph"]
    one = bg.avg_comparisons(space["fit"], "Arm", comparison="ratio", random_effects="typical").iloc[0]
    assert one["estimate"] == pytest.approx(effect["estimate"], rel=1e-6)  # "the two stories are one here"


@pytest.mark.slow
def test_answers_of_your_own_data():
    space = run("your_own_data", with_answers=True)
    assert len(space["complete"]) - len(space["stayed_home"]) < 15
    assert space["harm"]["estimate"] > space["effect"]["estimate"] + 0.05
    assert space["trend_sd"]["ci_lower"] < 0.02 and space["trend_sd"]["ci_upper"] < 0.2
    assert space["trend_effect"]["estimate"] == pytest.approx(space["effect"]["estimate"], abs=0.03)


def test_the_course_lists_every_notebook_once():
    listed = re.findall(r"^\d\. \[(\w+)\.ipynb\]", (EXAMPLES / "README.md").read_text(), re.M)
    assert sorted(listed) == [path.stem for path in NOTEBOOKS]
