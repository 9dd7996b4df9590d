"""Objects that hold a widget's settings: with anywidget, or in a frame where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from bayes_glmm.errors import nearest
from bayes_glmm.widgets.page import Widget, frame
from bayes_glmm.widgets.state import Design, check_setting, repr_of


class FramedWidget(Widget):
    """A picture with sliders where anywidget is not installed: a notebook shows it in a frame.

    Parameters
    ----------
    design
        What it is.
    values
        Its settings, checked.
    """

    def __init__(self, design: Design, values: Mapping[str, Any]):
        names = {"_design": design, "_module": design.module, "_title": design.title, "_values": dict(values)}
        for name, value in names.items():
            object.__setattr__(self, name, value)

    _design: Design
    _values: dict[str, Any]

    def _state(self) -> dict[str, Any]:
        return {**self._design.fixed, **self._values}

    def __getattr__(self, name: str) -> Any:
        state = {} if name.startswith("_") else self._state()
        if name not in state:
            raise AttributeError(f"the widget has no attribute {name!r}{f'. {nearest(name, state)}' if state else ''}")
        return state[name]

    def __setattr__(self, name: str, value: Any) -> None:
        check_setting(self._design, name)
        self._values[name] = self._design.settings[name](name, value)

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._values])

    def __repr__(self) -> str:
        return repr_of(self._design, self._values)

    def _repr_html_(self) -> str:
        return frame(self.to_html(), self._design.title, self._design.height, hint=True)


def make_widget(design: Design, values: Mapping[str, Any]) -> Widget:
    """Make a widget: of anywidget's kind where it is installed.

    Parameters
    ----------
    design
        What it is.
    values
        Its settings, which are checked.

    Returns
    -------
    Widget
        With an attribute for each setting.

    Raises
    ------
    GLMMError
        If a value is not allowed.
    """
    checked = {name: check(name, values[name]) for name, check in design.settings.items()}
    if find_spec("anywidget") is None:
        return FramedWidget(design, checked)
    from bayes_glmm.widgets.live import live_widget

    return live_widget(design, checked)
