"""A report in a browser: as wide as the screen, dark where the screen is, no request, and on paper black on white."""

import base64

import pytest

import bayes_glmm as bg


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    fit = bg.GLMM("p(incidence, size) ~ period + (1 | herd)", bg.load_dataset("cbpp"), family="binomial").fit(
        method="laplace", random_seed=1, progressbar=False
    )
    return fit.report(tmp_path_factory.mktemp("report") / "cbpp.html", question="Does it go back?")


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_a_report_fits_every_screen(pages, report, width, dark):
    page = pages(width=width, dark=dark).open(report)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    loaded = page.evaluate("performance.getEntriesByType('resource').map(one => one.name.slice(0, 5))")
    assert set(loaded) <= {"data:"}
    ink, paper = (
        sum(map(int, page.evaluate(f"getComputedStyle(document.body).{one}.match(/[0-9]+/g).slice(0, 3)")))
        for one in ("color", "backgroundColor")
    )
    assert (ink > 600 and paper < 120) if dark else (ink < 120 and paper > 700)
    # the picture is the one for these surroundings, and it was drawn
    shown = page.evaluate("[...document.images].map(i => [i.naturalWidth > 100, i.currentSrc == i.src])")
    assert len(shown) == 3 and all(one == [True, not dark] for one in shown)


def test_a_keyboard_gets_past_the_contents_and_into_tables(pages, report):
    page = pages(width=400).open(report)
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the text"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.press("Enter")
    page.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"


def test_on_paper(pages, report):
    page = pages(width=1200, dark=True).open(report)
    page.send("Emulation.setEmulatedMedia", {"media": "print"})
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.wait("[...document.images].every(i => i.currentSrc == i.src)")  # pictures are chosen again after the style
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    printed = base64.b64decode(page.send("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert printed.startswith(b"%PDF") and 3 <= printed.count(b"/Type /Page\n") <= 9
