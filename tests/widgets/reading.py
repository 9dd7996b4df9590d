"""What a reader sees of a widget: curves and points in the units of the axes, and the numbers in the words."""

import re

import numpy as np

MOVE = """(() => {{ const input = document.querySelector('[data-name="{name}"]');
    input.value = {value}; input.dispatchEvent(new Event("input", {{bubbles: true}}));
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(input.value)))); }})()"""
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def opened(pages, widget, tmp_path, **looks):
    """A page with the widget in it."""
    page = pages(**looks).open(widget.save_html(tmp_path / "widget.html"))
    page.evaluate(FRAME)
    return page


def move(page, name, value):
    """Put a slider at a value, as its thumb does; where it came to stand."""
    return float(page.evaluate(MOVE.format(name=name, value=value)))


def number(text):
    """A number as the widgets write it."""
    return float(text.replace("−", "-").replace(",", ""))


def numbers(text):
    return [number(found) for found in re.findall(r"−?\d+(?:\.\d+)?(?:e[+−]\d+)?", text)]


def _axis(page, kind, attribute):
    """Pixels to values, from the labels of the ticks."""
    marks = page.evaluate(
        f"[...document.querySelectorAll('.{kind}')].map((t) => [t.getAttribute('{attribute}'), t.textContent])"
    )
    pixels, values = np.array([(float(at), number(text)) for at, text in marks]).T
    slope, origin = np.polyfit(pixels, values, 1)
    return lambda at: origin + slope * at


def axes(page):
    """Functions from pixels to values of both axes; labels of the vertical one stand 4 pixels below their tick."""
    x, y = _axis(page, "x-tick", "x"), _axis(page, "y-tick", "y")
    return x, lambda at: y(at + 4)


def curves(page, kind):
    """Curves of a kind, each (points, 2), in the units of the axes."""
    x, y = axes(page)
    texts = page.evaluate(f"[...document.querySelectorAll('.drawing path.{kind}')].map((p) => p.getAttribute('d'))")
    found = []
    for text in texts:
        points = np.array([pair.split(",") for pair in re.split("[ML]", text)[1:]], dtype=float)
        found.append(np.column_stack([x(points[:, 0]), y(points[:, 1])]))
    return found


def attribute(page, selector, name):
    """Values of an attribute of all elements of the drawing, as numbers."""
    script = f"[...document.querySelectorAll('.drawing {selector}')].map((e) => Number(e.getAttribute('{name}')))"
    return np.array(page.evaluate(script))
