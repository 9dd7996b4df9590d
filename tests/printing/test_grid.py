"""Tables as text, HTML, LaTeX and Markdown: nothing is cut, names are escaped, columns stand below each other."""

import html.parser
import re

import pytest

from bayes_glmm.printing.grid import Column, Grid, as_latex, as_text, wrapped
from bayes_glmm.printing.html import as_html
from bayes_glmm.printing.markdown import as_markdown

UGLY = ("x_1", "a & b", "50 %", "[2]", "*", "{b}", "a\\b", "#1", "$x$", "~t^2", "<i>", "|bar|", "`t`")
SENTENCE = "Residuals depend on predicted: the shape of its effect, an interaction or the spread is not right."


def grid(names=UGLY) -> Grid:
    numbers = tuple(f"{j}.{j}e-{j + 10}" for j in range(len(names)))
    return Grid((Column("name_1", names, key=True), Column("mean", numbers, numeric=True)), ("Above: 50 %.",))


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_sentences_are_whole_at_every_width(width):
    table = Grid(
        (Column("test", ("predicted",), key=True), Column("p", ("0.024",), True), Column("verdict", (SENTENCE,)))
    )
    text = as_text(table, width)
    assert max(map(len, text.split("\n"))) <= width
    column = text.split("\n")[0].index("verdict")
    assert words(" ".join(line[column:] for line in text.split("\n")[1:])) == SENTENCE


def test_a_long_name_is_wrapped_and_numbers_stay_whole():
    name = "a_level_whose_name_has_no_blank_at_all_" * 2
    text = as_text(Grid((Column("level", (name,), key=True), Column("estimate", ("-1.234e-12",), True))), 50)
    assert max(map(len, text.split("\n"))) <= 50 and "-1.234e-12" in text
    assert "".join(line[:39].strip() for line in text.replace("-1.234e-12", "").split("\n")[1:]) == name


def test_names_stay_whole_while_words_can_be_wrapped():
    name = "sd[Site:year][Intercept]"
    columns = (
        Column("parameter", (name,), key=True),
        Column("prior", ("HalfStudentT(nu=3, sigma=1)",)),
        Column("scale", ("intercept at the predictors' means",)),
        Column("source", ("default",)),
    )
    text = as_text(Grid(columns), 70)
    assert name in text and max(map(len, text.split("\n"))) <= 70


def test_columns_that_do_not_fit_stand_below_with_the_key_repeated():
    models = tuple(Column(f"model {j}", ("1.23\n[0.98, 1.45]", f"{j}"), True) for j in range(12))
    text = as_text(Grid((Column("", ("slope", "rows"), key=True), *models), ruled=(1,)), 80)
    assert max(map(len, text.split("\n"))) <= 80
    assert re.findall(r"model \d+", text) == [f"model {j}" for j in range(12)]
    assert text.count("slope") == text.count("---\n") == len(text.split("\n\n")) == 3


def test_spare_columns_are_left_out_and_named():
    own = tuple(Column(f"column_{j}", ("x" * 10,), spare=True) for j in range(9))
    text = as_text(Grid((*own, Column("estimate", ("1.0",), True))), 80)
    assert "estimate" in text.split("\n")[0]
    left_out = text.split("Columns not shown: ")[1].strip(".").split(", ")
    assert [f"column_{j}" for j in range(9) if f"column_{j}" not in text.split("\n")[0]] == left_out


def test_wrapped_lines_that_are_listed_are_indented():
    assert wrapped("- one two three\nfour", 9) == "- one two\n  three\nfour"


class Cells(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data


def test_html_is_balanced_and_holds_the_names():
    page = Cells(as_html(grid()))
    assert page.open == [] and page.cells[2::2] == list(UGLY)
    assert page.cells[5] == "1.1 × 10−11" and page.cells[:2] == ["name_1", "mean"]


#: What LaTeX would print for the escapes that tables use.
PRINTED = {
    r"\textbackslash{}": "\\", r"\textasciicircum{}": "^", r"\textasciitilde{}": "~", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"\textasciigrave{}": "`", "{[}": "[", "{*}": "*", "{-}": "-",
    r"\_": "_", r"\&": "&", r"\%": "%", r"\#": "#", r"\$": "$", r"\{": "{", r"\}": "}",
}  # fmt: skip


def printed(cell: str) -> str:
    token = re.compile("|".join(map(re.escape, PRINTED)) + r"|[\\&%#$_^~{}]|.", re.S)
    found = token.findall(cell)
    assert not set(found) & set("\\&%#$_^~{}"), cell
    return "".join(PRINTED.get(part, part) for part in found)


def test_latex_is_balanced_and_escaped():
    text = as_latex(grid(), caption="50 % & more", label="tab:one")
    rows = re.findall(r"^(.*) & (.*) \\\\$", text, flags=re.M)
    assert [printed(name) for name, _ in rows] == ["name_1", *UGLY]
    assert rows[2][1] == r"$1.1 \times 10^{-11}$"
    for environment in ("table", "tabular"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 1
    assert r"\caption{50 \% \& more}" in text and r"\label{tab:one}" in text
    assert not re.search(r"\\\\\s*[\[*]", text)
    assert as_latex(grid()).startswith("% Above: 50 %.\n\\begin{tabular}{lr}\n\\toprule")


def test_markdown_has_a_row_a_line_and_no_markup_of_the_users():
    lines = as_markdown(grid()).split("\n")
    assert lines[0] == "Above: 50 %." and lines[3].startswith("| ---") and lines[3].endswith(":|".replace(":|", ": |"))
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines[2:])
    assert [re.sub(r"\\(.)", r"\1", line.split(" | ")[0][2:].strip()) for line in lines[4:]] == list(UGLY)


def test_cells_of_two_lines_become_two_rows():
    two = Grid((Column("", ("slope", "rows"), key=True), Column("a", ("1.2\n[0.9, 1.5]", "180"), True)), ruled=(1,))
    latex = as_latex(two)
    assert "slope & $1.2$ \\\\\n & $[0.9, 1.5]$ \\\\\n\\midrule\nrows & $180$ \\\\" in latex
    assert as_markdown(two).count("\n") == 4
