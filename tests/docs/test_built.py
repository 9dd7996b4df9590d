"""The site as `make docs` builds it: links lead somewhere, nothing is loaded from elsewhere, the search finds names."""

import json
import re
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[2] / "out" / "docs"
pytestmark = pytest.mark.skipif(not (SITE / "searchindex.js").exists(), reason="the site is not built: make docs")

MAIN = (
    "index",
    "tutorial/from_csv",
    "gallery",
    "reference/index",
    "reference/families",
    "contributing/family",
    "howto/classroom",
)


class Page(HTMLParser):
    """What a page offers (ids), leads to (links) and loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.ids, self.links, self.loads = path, set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        address = given.get("href") or given.get("src")
        if address and tag in ("a", "img"):
            self.links.add(address)
        if address and (tag in ("img", "script", "iframe") or "stylesheet" in (given.get("rel") or "")):
            self.loads.add(address)


@pytest.fixture(scope="module")
def site() -> dict[Path, Page]:
    index = json.loads(re.sub(r"^Search\.setIndex\(|\)$", "", (SITE / "searchindex.js").read_text(encoding="utf-8")))
    return {path: Page(path) for name in index["docnames"] if (path := SITE / f"{name}.html")}


def test_every_link_leads_to_a_page_and_a_place_in_it(site):
    broken = []
    for page in site.values():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = (page.path.parent / unquote(address.path)).resolve() if address.path else page.path
            other = site.get(target)
            if not target.exists() or (address.fragment and other and unquote(address.fragment) not in other.ids):
                broken.append(f"{page.path.relative_to(SITE)}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.values():
        assert not [address for address in page.loads if urlsplit(address).netloc], page.path
    for style in SITE.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


@pytest.fixture(scope="module")
def address():
    """Serve the site, as a search shows excerpts of pages that it fetches."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("words", "title"), [("shrinkage", "bayes_glmm.shrinkage"), ("median odds ratio", "A quantity")]
)
def test_the_search_finds(pages, address, words, title):
    page = pages().open(f"{address}/search.html?q={words.replace(' ', '+')}")
    page.wait("/finished/.test(document.querySelector('#search-results').innerText)")
    found = page.evaluate("[...document.querySelectorAll('#search-results li > a')].map(link => link.textContent)")
    assert title in found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_pages_fit_their_width(pages, width, dark):
    for name in MAIN:
        page = pages(width=width, dark=dark).open(SITE / f"{name}.html")
        theme = page.evaluate("document.documentElement.dataset.theme")
        assert theme == ("dark" if dark else "light"), name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(
            "[...document.querySelectorAll('math')].every(one => one.getBoundingClientRect().height > 5)"
        )


def test_widgets_are_live_on_their_page(pages, address):
    page = pages(width=1200).open(f"{address}/howto/classroom.html")
    inside = "[...document.querySelectorAll('iframe')].map((frame) => frame.contentDocument)"
    page.wait(f"{inside}.every((own) => own?.querySelectorAll('.drawing circle').length >= 4)")
    roots = f"{inside}.map((own) => own.querySelector('.bayes-glmm').dataset.dark)"
    assert page.evaluate(roots) == ["false", "false"]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait(f"{roots}.every((dark) => dark === 'true')")  # they follow the page's own switch
    page.evaluate(f"{inside}[0].querySelector('[data-name=sd]').focus()")
    page.press("Home")
    page.wait(f"{inside}[0].querySelector('.words').innerText.includes('All hospitals are alike')")
    page.open(f"{address}/widgets/two_stories.html")
    page.wait("document.querySelectorAll('.drawing path.level').length === 30")
