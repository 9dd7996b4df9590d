"""What Python sees of a widget: settings read and written, with anywidget and without, and pages of one file."""

import json
import re
from importlib.resources import files

import pytest

import bayes_glmm as bg
from bayes_glmm.errors import GLMMError
from bayes_glmm.widgets import make
from bayes_glmm.widgets.page import script_of


@pytest.fixture(params=["anywidget", "frame"])
def two_stories(request, monkeypatch):
    """Makes the widget, as it is with anywidget or where that is not installed."""
    if request.param == "frame":
        monkeypatch.setattr(make, "find_spec", lambda name: None)
    else:
        pytest.importorskip("anywidget")
    return bg.widgets.two_stories


def test_settings_are_read_written_and_checked(two_stories):
    widget = two_stories(sd=2, seed=3)
    widget.sd, widget.effect, widget.link, widget.scale = 0.25, -1, "log", "link"
    assert (widget.intercept, widget.effect, widget.sd, widget.link, widget.seed) == (-1.0, -1.0, 0.25, "log", 3)
    assert repr(widget) == (
        "two_stories(intercept=-1.0, effect=-1.0, sd=0.25, link='log', scale='link', levels=30, seed=3)"
    )
    for name, value, words in (
        ("sd", -1, "sd= must be a number, at least 0, not -1"),
        ("sd", "1", "sd= must be a number, at least 0, not '1'"),
        ("intercept", float("nan"), "intercept= must be a number, not nan"),
        ("effect", float("inf"), "effect= must be finite"),
        ("link", "cauchit", "link= names 'cauchit'. Valid names: 'logit', 'probit', 'cloglog', 'log'"),
        ("levels", 201, "levels= must be at most 200"),
        ("seed", 0.5, "seed= must be a whole number"),
    ):
        with pytest.raises(GLMMError, match=words):
            setattr(widget, name, value)
    assert widget.sd == 0.25
    with pytest.raises(AttributeError, match="no setting 'slope'"):
        widget.slope = 1
    with pytest.raises(AttributeError, match="'x_from' stays what the widget was made with"):
        widget.x_from = 1
    with pytest.raises(AttributeError, match="slope"):
        _ = widget.slope


def test_a_page_starts_with_the_settings_as_they_are(two_stories, tmp_path):
    widget = two_stories()
    widget.sd = 0.75
    text = widget.save_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == widget.to_html()
    state = json.loads(re.search(r"^const state = (.*);$", text, re.MULTILINE)[1])
    assert state["sd"] == 0.75 and state["group"] == "hospital"
    assert "import " not in re.sub(r"//.*", "", text)


def test_without_anywidget_a_frame_is_shown_that_says_what_to_install(monkeypatch, pages, tmp_path):
    monkeypatch.setattr(make, "find_spec", lambda name: None)
    shown = bg.widgets.two_stories()._repr_html_()
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><meta charset='utf-8'><html data-theme='dark'>{shown}")
    page = pages().open(path)
    inside = "document.querySelector('iframe').contentDocument"
    page.wait(f"{inside}.querySelectorAll('.drawing path.level').length === 30")
    assert "bayes_glmm[widgets]" in page.text("body")
    assert page.evaluate(f"{inside}.querySelector('.bayes-glmm').dataset.dark") == "true"  # the notebook's theme
    high = page.evaluate("document.querySelector('iframe').clientHeight")
    assert high == page.evaluate(f"{inside}.body.scrollHeight")  # no scroll bar within


def test_the_settings_of_a_notebook_follow_the_browser_and_the_other_way_round(pages):
    """The script that anywidget loads, with a model that hands messages over as the kernel's does."""
    pytest.importorskip("anywidget")
    widget = bg.widgets.two_stories()
    state = {name: value for name, value in widget.get_state().items() if not name.startswith("_")}
    page = pages().open("data:text/html,<!doctype html><title>notebook</title><main></main>")
    code = json.dumps(widget.get_state()["_esm"])
    sent = "window.sent = {}; window.heard = {};"
    model = f"""({{ state: {json.dumps(state)}, get(n) {{ return this.state[n]; }}, off() {{}},
        set(n, v) {{ this.state[n] = v; window.sent[n] = v; window.heard["change:" + n]?.(); }}, save_changes() {{}},
        on(e, f) {{ window.heard[e] = f; }} }})"""
    page.evaluate(
        f"(async () => {{ {sent} const url = URL.createObjectURL(new Blob([{code}], {{type: 'text/javascript'}}));"
        f"window.model = {model}; const widget = (await import(url)).default;"
        "window.away = widget.render({ model: window.model, el: document.querySelector('main') }); })()"
    )
    page.evaluate("document.querySelector('[data-name=sd]').focus()")
    page.press("ArrowRight")
    widget.set_state(page.evaluate("window.sent"))  # what ipywidgets does with a message of the browser
    assert widget.sd == 1.55
    widget.effect = 3.25
    page.evaluate(f"window.model.set('effect', {widget.get_state()['effect']})")
    page.wait("document.querySelector('[data-name=effect] + output').textContent === '3.25'")
    assert "multiplies the odds by 25.8" in page.text(".words")
    page.evaluate("window.away()")


def test_scripts_are_joined_in_order_and_once():
    for module, parts in (("two_stories.js", ("numbers.js", "parts.js")), ("shrinkage.js", ("numbers.js", "parts.js"))):
        text, own = script_of(module), [(files("bayes_glmm.widgets") / name).read_text() for name in (*parts, module)]
        heads = [text.index(source.split("\n")[0]) for source in own]
        assert heads == sorted(heads) and text.count("export default") == 1
        bare = [line for source in own for line in source.split("\n") if not line.startswith(("import", "export"))]
        assert set(filter(None, bare)) <= set(text.split("\n"))
        assert "http://www.w3.org/2000/svg" in text and text.count("http") == 1  # nothing is loaded


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'two_story'. Did you mean 'two_stories'"):
        _ = bg.widgets.two_story
