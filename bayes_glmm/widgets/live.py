"""Widgets in notebooks: anywidget carries the settings to and fro. Imported only where anywidget is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from bayes_glmm.widgets.page import Widget, script_of, styles
from bayes_glmm.widgets.state import Design, check_setting, repr_of


class LiveWidget(Widget, anywidget.AnyWidget):
    """A widget whose settings are traits: Python reads and writes them while sliders move.

    Parameters
    ----------
    design
        What it is.
    values
        Its settings, checked.
    """

    def __init__(self, design: Design, values: Mapping[str, Any]):
        self._design, self._module, self._title = design, design.module, design.title
        super().__init__(**values)

    _design: Design

    def _state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*self._design.settings, *self._design.fixed)}

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and (name in self._design.fixed or not hasattr(type(self), name)):
            check_setting(self._design, name)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return repr_of(self._design, {name: getattr(self, name) for name in self._design.settings})


def live_widget(design: Design, values: Mapping[str, Any]) -> LiveWidget:
    """Make a widget for notebooks.

    Parameters
    ----------
    design
        What it is.
    values
        Its settings, checked.

    Returns
    -------
    LiveWidget
        With a synchronised trait for each setting.
    """

    def checked(self: LiveWidget, proposal: Any) -> Any:
        name = proposal["trait"].name
        return design.settings[name](name, proposal["value"])

    body: dict[str, Any] = {name: traitlets.Any().tag(sync=True) for name in values}
    body |= {name: traitlets.Any(value).tag(sync=True) for name, value in design.fixed.items()}
    body |= {"_esm": script_of(design.module), "_css": styles(), "_checked": traitlets.validate(*values)(checked)}
    return type("LiveWidget", (LiveWidget,), body)(design, values)
