"""A headless Chromium that tests drive: pages opened, sliders moved, text and coordinates read, pictures taken.

It speaks the DevTools protocol over two pipes (messages of JSON that end with a zero byte), so that it needs neither a
port nor a package. The fixture `pages` gives a test its own pages and skips where there is no Chromium.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0  # seconds until a silent browser is given up
KEYS = {
    "Tab": 9, "Enter": 13, "Space": 32, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip
TEXTS = {"Enter": "\r", "Space": " "}


class PageError(AssertionError):
    """What a page's script raised."""


def find() -> str | None:
    """Path of a Chromium on this machine, CHROMIUM in the environment first; None on systems without `posix_spawn`."""
    if not hasattr(os, "posix_spawn"):
        return None
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One Chromium process; `page()` opens tabs. Close it, or use it in a `with`."""

    def __init__(self, path: str):
        self._home = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        flags = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._home.name}"]
        flags += ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"]
        flags += ["--disable-background-networking", "--disable-extensions", "--force-color-profile=srgb"]
        theirs, self._write = _far(os.pipe())
        self._read, answers = _far(os.pipe())
        silent = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, silent, 1), (os.POSIX_SPAWN_DUP2, silent, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, theirs, 3), (os.POSIX_SPAWN_DUP2, answers, 4)]
        self._pid = os.posix_spawn(path, [path, *flags, "about:blank"], os.environ, file_actions=actions, setsid=True)
        for one in (theirs, answers, silent):
            os.close(one)
        self._buffer, self._number, self._selector = b"", 0, selectors.DefaultSelector()
        self._selector.register(self._read, selectors.EVENT_READ)
        self._events: dict[str, list[dict]] = {}

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and all it started."""
        if not self._pid:
            return
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._pid = 0
        self._selector.close()
        os.close(self._write)
        os.close(self._read)
        self._home.cleanup()

    def page(self, width: int = 1200, height: int = 800, **looks: Any) -> Page:
        """Open a tab of so many CSS pixels; `looks` are those of `Page.looks`."""
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        return Page(self, target, session, width, height, looks)

    def send(self, method: str, parameters: dict | None = None, session: str | None = None) -> dict:
        """Call a method of the protocol and wait for its result."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.receive(deadline)
            if answer is None:
                raise TimeoutError(f"Chromium did not answer {method} in {PATIENCE:g} s.")
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def receive(self, deadline: float) -> dict | None:
        """Read one message, keep it if it is an event; None when the time is over."""
        while b"\0" not in self._buffer:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                return None
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("Chromium ended; does it start by itself on this machine?")
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self._events.setdefault(message.get("sessionId", ""), []).append(message)
        return message

    def events(self, session: str) -> list[dict]:
        """Events of a tab so far."""
        return self._events.setdefault(session, [])


class Page:
    """A tab. Selectors are CSS; an error in the page's scripts or console fails `check`."""

    def __init__(self, browser: Browser, target: str, session: str, width: int, height: int, looks: dict):
        self._browser, self._target, self._session = browser, target, session
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.looks(width, height, **looks)

    def send(self, method: str, parameters: dict | None = None) -> dict:
        """Call a method of the protocol in this tab."""
        return self._browser.send(method, parameters, self._session)

    def looks(
        self, width: int, height: int = 800, *, dark: bool = False, still: bool = False, touch: bool = False,
        scale: float = 1.0,
    ) -> None:  # fmt: skip
        """Set size in CSS pixels, pixels for each, dark scheme, reduced motion, and fingers in place of a mouse."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": touch}
        self.send("Emulation.setDeviceMetricsOverride", size)
        self.send("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}
        self.send("Emulation.setEmulatedMedia", {"features": [scheme, motion]})

    def open(self, address: str | Path) -> Page:
        """Load a file or an address and wait until it has loaded."""
        url = address if isinstance(address, str) and ":" in address else Path(address).resolve().as_uri()
        seen = len(self._browser.events(self._session))
        failed = self.send("Page.navigate", {"url": url}).get("errorText")
        if failed:
            raise PageError(f"{url}: {failed}")
        deadline = time.monotonic() + PATIENCE
        while not any(one["method"] == "Page.loadEventFired" for one in self._browser.events(self._session)[seen:]):
            if self._browser.receive(deadline) is None:
                raise TimeoutError(f"{url} did not load in {PATIENCE:g} s.")
        return self

    def evaluate(self, script: str) -> Any:
        """Value of an expression, as JSON has it; promises are waited for."""
        wanted = {"expression": script, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.send("Runtime.evaluate", wanted)
        if "exceptionDetails" in answer:
            raise PageError(_told(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 20.0) -> Any:
        """Wait until an expression is true, and give its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not true in {seconds:g} s: {script}")
            time.sleep(0.02)
        return value

    def text(self, selector: str) -> str:
        """Text of an element as it is shown."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def box(self, selector: str) -> dict[str, float]:
        """Place of an element in the window: x, y, width, height, in CSS pixels; it is scrolled into view."""
        return self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect(); return {x: b.x, y: b.y, width: b.width, height: b.height}; })()"
        )

    def press(self, key: str, times: int = 1) -> None:
        """Press a key of the keyboard: ``"ArrowRight"``, ``"Tab"``, ``"a"``."""
        code = KEYS.get(key, ord(key[0].upper()))
        what: dict[str, Any] = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        text = TEXTS.get(key, key if len(key) == 1 else None)
        for _ in range(times):
            self.send(
                "Input.dispatchKeyEvent", what | {"type": "keyDown" if text else "rawKeyDown", "text": text or ""}
            )
            self.send("Input.dispatchKeyEvent", what | {"type": "keyUp"})

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        box = self.box(selector)
        self.drag([(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)])

    def drag(self, points: list[tuple[float, float]], touch: bool = False) -> None:
        """Press the mouse (or a finger) at the first point, move over the others, and let go at the last."""
        for number, (x, y) in enumerate(points):
            if touch:
                kind = "touchMove" if number else "touchStart"
                self.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
            else:
                self.send("Input.dispatchMouseEvent", _mouse("mouseMoved", x, y, 1 if number else 0))
                if not number:
                    self.send("Input.dispatchMouseEvent", _mouse("mousePressed", x, y, 1))
        if touch:
            self.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        else:
            self.send("Input.dispatchMouseEvent", _mouse("mouseReleased", *points[-1], 1))

    def screenshot(self, path: str | Path, whole: bool = True) -> None:
        """Write a PNG of the page, or of the window alone."""
        shot = self.send(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole, **self._clip(whole)}
        )
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, whole: bool) -> dict:
        size = self.send("Page.getLayoutMetrics")["cssContentSize"] if whole else None
        return {"clip": {"x": 0, "y": 0, "scale": 1, "width": size["width"], "height": size["height"]}} if size else {}

    def events(self) -> list[dict]:
        """Events of the tab so far, those of domains that were enabled."""
        return self._browser.events(self._session)

    def faults(self) -> list[str]:
        """Exceptions, errors on the console, and files that did not load, since the tab was opened."""
        self.evaluate("0")  # what came before has arrived
        found = []
        for event in self._browser.events(self._session):
            told = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(_told(told["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
                found.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))
            elif event["method"] == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append(f"{told['entry']['text']} {told['entry'].get('url', '')}".strip())
        return found

    def close(self) -> None:
        """Close the tab."""
        self._browser.send("Target.closeTarget", {"targetId": self._target})


def _far(pair: tuple[int, int]) -> tuple[int, int]:
    """Move both ends of a pipe beyond the numbers that the browser's ends get."""
    import fcntl  # of POSIX alone, as is posix_spawn

    moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in pair]
    for one in pair:
        os.close(one)
    return moved[0], moved[1]


def _mouse(kind: str, x: float, y: float, buttons: int) -> dict:
    return {"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1}


def _told(details: dict) -> str:
    return details.get("exception", {}).get("description") or details.get("text", "an error without words")
