// Partial pooling: how far a group's estimate moves from its own mean towards the mean of all.

import { normalDraws, short } from "./numbers.js";
import { axes, button, html, lay, sentence, setAll, slider, svg } from "./parts.js";

const MOVED = ["between", "within", "groups", "smallest", "largest", "look", "seed"];
const MOST = 60; // groups; each has the same draws whatever the number of groups

/** Rows of each group: those given, or from the smallest to the largest group in equal ratios. */
export function sizesOf({ sizes, groups, smallest, largest }) {
  if (sizes.length) return sizes;
  const least = Math.min(smallest, largest);
  const ratio = Math.max(smallest, largest) / least;
  return Array.from({ length: groups }, (_, j) => Math.round(least * ratio ** (groups > 1 ? j / (groups - 1) : 0)));
}

/** Truths, own means, weights and estimates of all groups, given both sds. */
export function pooled(state) {
  const { mean, between, within, seed } = state;
  const sizes = sizesOf(state);
  const draws = normalDraws(seed, 2 * MOST);
  const rows = sizes.map((n, j) => {
    const truth = mean + between * draws[j];
    const noise = (within * within) / n;
    const own = truth + Math.sqrt(noise) * draws[MOST + j];
    return { n, truth, own, weight: between ** 2 / (between ** 2 + noise), precision: 1 / (between ** 2 + noise) };
  });
  const sum = (value) => rows.reduce((total, row) => total + value(row), 0);
  const centre = sum((row) => row.precision * row.own) / sum((row) => row.precision);
  for (const row of rows) row.estimate = row.weight * row.own + (1 - row.weight) * centre;
  const distance = (value) => Math.sqrt(sum((row) => (value(row) - row.truth) ** 2) / rows.length);
  return {
    rows,
    centre,
    far: { own: distance((row) => row.own), none: distance(() => centre), partial: distance((row) => row.estimate) },
  };
}

const stateOf = (model) =>
  Object.fromEntries([...MOVED, "sizes", "mean"].map((name) => [name, model.get(name)]));

/** Index of the group looked at; the last one where there are fewer now. */
const looked = (model, rows) => Math.min(model.get("look"), rows.length) - 1;

function draw(model, drawing, size) {
  const { rows, centre } = pooled(stateOf(model));
  const mean = model.get("mean");
  const reach = Math.max(...rows.flatMap((row) => [row.own, row.truth].map((value) => Math.abs(value - mean))), 1e-9);
  const unit = 10 ** Math.floor(Math.log10(reach));
  const half = Math.ceil((1.05 * reach) / unit) * unit;
  const place = axes(drawing, size, {
    x: [mean - half, mean + half],
    y: [rows.length - 0.5, -0.5],
    xLabel: model.get("value"),
    yLabel: `rows of each ${model.get("group")}`,
    yTicks: false,
  });
  const at = looked(model, rows);
  const each = (place.bottom - place.top) / rows.length;
  drawing.append(
    svg("line", { class: "centre", x1: place.x(centre), x2: place.x(centre), y1: place.top, y2: place.bottom }),
  );
  rows.forEach((row, j) => {
    const y = place.y(j);
    const group = svg("g", { class: j === at ? "group looked" : "group" });
    const whole = { class: "row", x: 0, y: y - each / 2, width: size.width, height: each };
    group.append(svg("rect", whole));
    if (each >= 13 || j === at) group.append(svg("text", { x: place.left - 8, y: y + 4, "text-anchor": "end" }, `${row.n}`));
    group.append(svg("line", { class: "moved", x1: place.x(row.own), x2: place.x(row.estimate), y1: y, y2: y }));
    const tall = Math.min(7, each / 2);
    group.append(svg("line", { class: "truth", x1: place.x(row.truth), x2: place.x(row.truth), y1: y - tall, y2: y + tall }));
    const radius = Math.max(2, Math.min(5, each / 3));
    group.append(svg("circle", { class: "own", cx: place.x(row.own), cy: y, r: radius }));
    group.append(svg("circle", { class: "estimate", cx: place.x(row.estimate), cy: y, r: radius }));
    group.addEventListener("click", () => setAll(model, { look: j + 1 }));
    drawing.append(group);
  });
}

function words(model) {
  const { between, within } = stateOf(model);
  const { rows, centre, far } = pooled(stateOf(model));
  const [group, groups] = [model.get("group"), model.get("groups_name")];
  const at = looked(model, rows);
  const row = rows[at];
  const [w, rest] = [short(row.weight), short(1 - row.weight)];
  const weight = `w = ${short(between)}² / (${short(between)}² + ${short(within)}² / ${row.n}) = ${w}`;
  return [
    sentence("estimate = w × own mean + (1 − w) × mean of all, with w = sd between² / (sd between² + sd within² / rows)"),
    sentence(
      `The ${group} looked at is number ${at + 1}, with ${row.n} ${row.n === 1 ? "row" : "rows"}: ${weight}. `,
      `Its own mean is `, ["own", short(row.own)], `, the mean of all ${short(centre)}, so its estimate is ${w} × ${short(row.own)} + ${rest} × ${short(centre)} = `,
      ["estimate", short(row.estimate)], `. The truth is ${short(row.truth)}.`,
    ),
    sentence(
      `Typical distance from the truth (root mean square over ${groups}): own means `, ["own", short(far.own)],
      `, the mean of all for everyone ${short(far.none)}, partial pooling `, ["estimate", short(far.partial)], ".",
    ),
    sentence("The two sds are known here. A fit estimates them from the data, too, and says how well it knows them."),
  ];
}

function legend() {
  const key = (...shapes) => {
    const drawing = svg("svg", { width: 26, height: 14, "aria-hidden": "true" });
    drawing.append(...shapes);
    return drawing;
  };
  const dot = (kind) => svg("circle", { class: kind, cx: 13, cy: 7, r: 5 });
  const line = (kind) => svg("line", { class: kind, x1: 13, x2: 13, y1: 0, y2: 14 });
  const keys = [
    [key(dot("own")), "own mean (no pooling)"],
    [key(dot("estimate")), "estimate (partial pooling)"],
    [key(line("truth")), "truth"],
    [key(line("centre")), "mean of all (complete pooling)"],
  ];
  const rows = keys.map(([drawing, text]) => html("div", {}, drawing, text));
  return { element: html("div", { className: "legend" }, ...rows), show: () => {} };
}

export function render({ model, el }) {
  const start = Object.fromEntries(MOVED.map((name) => [name, model.get(name)]));
  const [group, groups] = [model.get("group"), model.get("groups_name")];
  const whole = (value) => String(value);
  const given = model.get("sizes").length;
  const number = { low: 2, high: 40, step: 1, text: whole };
  const sizes = [
    slider(model, "groups", { label: `number of ${groups}`, ...number }),
    slider(model, "smallest", { label: `rows of the smallest ${group}`, low: 1, high: 100, step: 1, text: whole }),
    slider(model, "largest", { label: `rows of the largest ${group}`, low: 1, high: 100, step: 1, text: whole }),
  ];
  const look = slider(model, "look", { label: `${group} looked at`, low: 1, high: 2, step: 1, text: whole });
  const showLook = () => {
    look.show();
    const most = sizesOf(stateOf(model)).length;
    const input = look.element.querySelector("input");
    input.max = String(most);
    const now = String(Math.min(model.get("look"), most));
    input.value = now;
    input.setAttribute("aria-valuetext", now);
    look.element.querySelector("output").textContent = now;
  };
  return lay({
    model,
    el,
    title: `Partial pooling: from a ${group}'s own mean towards the mean of all`,
    names: MOVED,
    controls: [
      legend(),
      slider(model, "between", { label: `sd between ${groups}`, low: 0, high: 15, step: 0.1 }),
      slider(model, "within", { label: `sd within a ${group}`, low: 0.5, high: 30, step: 0.5 }),
      ...(given ? [] : sizes),
      { element: look.element, show: showLook },
    ],
    buttons: [
      button("more", "new data", () => setAll(model, { seed: model.get("seed") + 1 })),
      button("reset", "reset", () => setAll(model, start)),
    ],
    draw: (drawing, size) => draw(model, drawing, size),
    words: () => words(model),
    height: () => Math.max(280, Math.min(620, 70 + 20 * sizesOf(stateOf(model)).length)),
  });
}

export default { render };
