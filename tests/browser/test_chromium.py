"""The browser driver itself: what it does reaches a page, and what goes wrong in a page is seen."""

import pytest

from tests.browser.chromium import PageError

SLIDER = """<!doctype html><title>slider</title><body style="margin: 0">
<input type="range" min="0" max="10" step="1" value="2" style="width: 200px; margin: 20px"><output></output>
<p style="width: 100vw; height: 3000px">long</p>
<script>const s = document.querySelector("input"), o = document.querySelector("output");
s.oninput = () => { o.textContent = s.value; };</script>"""


@pytest.fixture
def slider(tmp_path):
    path = tmp_path / "slider.html"
    path.write_text(SLIDER, encoding="utf-8")
    return path


def test_keys_mouse_and_fingers_move_a_slider(pages, slider):
    page = pages(width=400).open(slider)
    page.press("Tab")
    page.press("ArrowRight", times=3)
    assert page.text("output") == "5"
    box = page.box("input")
    middle = box["y"] + box["height"] / 2
    page.drag([(box["x"] + box["width"] / 2, middle), (box["x"] + box["width"] - 2, middle)])
    assert page.text("output") == "10"
    page.looks(400, touch=True)
    page.drag([(box["x"] + box["width"] - 4, middle), (box["x"] + 4, middle)], touch=True)
    assert page.text("output") == "0"


def test_looks_reach_the_page(pages, slider):
    page = pages(width=400, dark=True, still=True).open(slider)
    matches = "[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches, \
        matchMedia('(prefers-reduced-motion: reduce)').matches]"
    assert page.evaluate(matches) == [400, True, True]
    page.looks(1200)
    assert page.evaluate(matches) == [1200, False, False]


def test_a_picture_shows_the_whole_page(pages, slider, tmp_path):
    from matplotlib.image import imread

    page = pages(width=400, height=300).open(slider)
    page.screenshot(tmp_path / "page.png")
    height, width, _ = imread(tmp_path / "page.png").shape
    assert width == 400 and height > 3000


def test_errors_in_a_page_are_seen(browser, tmp_path):
    path = tmp_path / "wrong.html"
    path.write_text("<!doctype html><script>console.error('said'); missing()</script><img src='gone.png'>")
    page = browser.page().open(path)
    faults = "\n".join(page.faults())
    assert "said" in faults and "missing is not defined" in faults and "gone.png" in faults
    with pytest.raises(PageError, match="not a function"):
        page.evaluate("document.body.fly()")
    with pytest.raises(TimeoutError, match="not true"):
        page.wait("document.title === 'other'", seconds=0.1)
    with pytest.raises(PageError, match="ERR_FILE_NOT_FOUND"):
        page.open(tmp_path / "nowhere.html")
    page.close()
