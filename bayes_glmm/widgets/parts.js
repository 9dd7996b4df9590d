// What the widgets share: an SVG with axes, labelled sliders and buttons, the reader's light or dark theme.
// `model` is anywidget's in a notebook and `LocalModel` in a page: get, set, save_changes, on("change:name").

import { short, ticks } from "./numbers.js";

/** The state of a widget without Python behind it. */
export class LocalModel {
  constructor(state) {
    this.state = { ...state };
    this.listeners = {};
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const listener of this.listeners[`change:${name}`] ?? []) listener();
  }
  save_changes() {}
  on(event, listener) {
    (this.listeners[event] ??= []).push(listener);
  }
  off(event, listener) {
    this.listeners[event] = (this.listeners[event] ?? []).filter((one) => one !== listener);
  }
}

/** An HTML element; `on...` properties are listeners, text is a child. */
export function html(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** An SVG element with attributes. */
export function svg(name, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** A slider with its label and value; the state is exact, the slider shows the nearest step. */
export function slider(model, name, { label, low, high, step, text = short }) {
  const input = html("input", { type: "range", step: String(step) });
  const value = html("output");
  input.dataset.name = name;
  input.addEventListener("input", () => {
    model.set(name, Number(input.value));
    model.save_changes();
  });
  const show = () => {
    const now = model.get(name);
    input.min = String(Math.min(low, Math.floor(now / step) * step));
    input.max = String(Math.max(high, Math.ceil(now / step) * step));
    input.value = String(now);
    value.textContent = text(now);
    input.setAttribute("aria-valuetext", text(now));
  };
  // a label is that of its first control, and <output> counts as one: the slider stands before it
  return { element: html("label", { className: "slider" }, html("span", {}, label), input, value), show };
}

/** A check box whose state is one of two values. */
export function checkbox(model, name, label, [off, on]) {
  const input = html("input", { type: "checkbox" });
  input.dataset.name = name;
  input.addEventListener("change", () => {
    model.set(name, input.checked ? on : off);
    model.save_changes();
  });
  const show = () => {
    input.checked = model.get(name) === on;
  };
  const words = html("span", {}, label);
  return { element: html("label", { className: "check" }, input, words), show };
}

/** A list to choose from. */
export function choice(model, name, label, options) {
  const select = html("select", {}, ...options.map((value) => html("option", { value }, value)));
  select.dataset.name = name;
  select.addEventListener("change", () => {
    model.set(name, select.value);
    model.save_changes();
  });
  const show = () => {
    select.value = model.get(name);
  };
  return { element: html("label", { className: "choice" }, html("span", {}, label), select), show };
}

/** A button. */
export function button(name, text, action) {
  const element = html("button", { type: "button" }, text);
  element.dataset.name = name;
  element.addEventListener("click", action);
  return element;
}

/** Sets several values of the state at once. */
export function setAll(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/**
 * Axes in a drawing of so many CSS pixels: `x`, `y` from values to pixels, and the area between `left`, `right`, `top`
 * and `bottom`. `names` puts words in place of numbers on an axis: pairs of value and word.
 */
export function axes(drawing, size, { x, y, xLabel, yLabel, xNames, yTicks = true, yText = short }) {
  const area = { left: 52, right: size.width - 14, top: 12, bottom: size.height - 44 };
  const scale = (value, [low, high], from, to) => from + ((value - low) / (high - low)) * (to - from);
  const place = {
    ...area,
    x: (value) => scale(value, x, area.left, area.right),
    y: (value) => scale(value, y, area.bottom, area.top),
  };
  const group = svg("g", { class: "axes", "aria-hidden": "true" });
  const marks = xNames ?? ticks(x[0], x[1], size.width < 480 ? 4 : 7).map((value) => [value, short(value, 6)]);
  for (const [value, text] of marks) {
    const at = place.x(value);
    group.append(svg("line", { class: "grid", x1: at, x2: at, y1: area.top, y2: area.bottom }));
    const anchor = at > area.right - 30 ? "end" : at < area.left + 10 ? "start" : "middle";
    group.append(svg("text", { class: "x-tick", x: at, y: area.bottom + 17, "text-anchor": anchor }, text));
  }
  for (const value of yTicks ? ticks(y[0], y[1], 5) : []) {
    const at = place.y(value);
    group.append(svg("line", { class: "grid", x1: area.left, x2: area.right, y1: at, y2: at }));
    group.append(svg("text", { class: "y-tick", x: area.left - 7, y: at + 4, "text-anchor": "end" }, yText(value)));
  }
  const middle = (area.top + area.bottom) / 2;
  group.append(svg("text", { class: "label", x: (area.left + area.right) / 2, y: size.height - 6, "text-anchor": "middle" }, xLabel));
  const turned = { x: 0, y: 0, transform: `translate(14 ${middle}) rotate(-90)`, "text-anchor": "middle", class: "label" };
  group.append(svg("text", turned, yLabel));
  drawing.append(group);
  return place;
}

/** SVG path through points. */
export const path = (points) =>
  points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)},${y.toFixed(2)}`).join("");

/** Whether the page around a widget is dark: what its theme says, else what the reader's system prefers. */
function isDark(documents) {
  for (const page of documents) {
    const { documentElement: root, body } = page;
    const said = root.dataset.theme ?? body?.dataset.vscodeThemeKind?.replace("vscode-", "");
    if (said === "dark" || said === "light") return said === "dark";
    if (body?.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Follows the theme of the page, or of the page whose frame this is where the browser allows to look at it. */
function followTheme(root) {
  const documents = [document];
  try {
    if (window.parent !== window && window.parent.document) documents.push(window.parent.document);
  } catch {
    // a page of another origin keeps its theme to itself
  }
  const show = () => {
    root.dataset.dark = String(isDark(documents));
  };
  const observer = new MutationObserver(show);
  for (const page of documents)
    for (const one of [page.documentElement, page.body]) if (one) observer.observe(one, { attributes: true });
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", show);
  show();
  return () => {
    observer.disconnect();
    query.removeEventListener("change", show);
  };
}

/**
 * Lays out a widget in `el`: a drawing, controls, words that are read out when they change. `draw` gets the empty
 * drawing and its size; it runs again whenever one of `names` changes or the width does. `height` is that of the drawing at
 * a width.
 */
export function lay({ model, el, title, names, controls, buttons, draw, words, height }) {
  const drawing = svg("svg", { role: "img", "aria-label": title });
  const told = html("div", { className: "words" });
  told.setAttribute("aria-live", "polite");
  const panel = html("div", { className: "controls" }, ...controls.map((one) => one.element));
  panel.append(html("div", { className: "buttons" }, ...buttons));
  const figure = html("div", { className: "drawing" }, drawing);
  const root = html("section", { className: "bayes-glmm" }, html("div", { className: "columns" }, figure, panel, told));
  root.setAttribute("aria-label", title);
  // JupyterLab takes the arrow keys from whatever has the focus and does not say that it wants them
  for (const one of root.querySelectorAll("input, select, button")) one.dataset.lmSuppressShortcuts = "true";
  el.append(root);

  let waiting = 0;
  const show = () => {
    waiting = 0;
    const width = Math.max(240, Math.round(figure.clientWidth));
    const size = { width, height: height ? height(width) : Math.round(Math.max(260, Math.min(440, 0.62 * width))) };
    for (const [key, value] of Object.entries(size)) drawing.setAttribute(key, value);
    drawing.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    for (const control of controls) control.show();
    drawing.replaceChildren();
    draw(drawing, size);
    const lines = words();
    drawing.setAttribute("aria-label", `${title}. ${lines.map((line) => line.textContent).join(" ")}`);
    told.replaceChildren(...lines);
  };
  const later = () => {
    waiting ||= requestAnimationFrame(show); // once a frame, however many values changed
  };
  for (const name of names) model.on(`change:${name}`, later);
  const forget = followTheme(root);
  const resized = new ResizeObserver(later);
  resized.observe(figure);
  show();
  return () => {
    for (const name of names) model.off(`change:${name}`, later);
    cancelAnimationFrame(waiting);
    resized.disconnect();
    forget();
  };
}

/** A paragraph; parts are text or [class, text] for words in the colour of a curve. */
export const sentence = (...parts) =>
  html("p", {}, ...parts.map((part) => (typeof part === "string" ? part : html("b", { className: part[0] }, part[1]))));
