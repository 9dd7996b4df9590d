// Two stories of one model: what an effect does in one group, and what it does on average over all groups.

import { LINKS, normalDraws, percent, short } from "./numbers.js";
import { axes, button, checkbox, choice, lay, path, sentence, setAll, slider, svg } from "./parts.js";

const POINTS = 121; // of a curve
const NAMES = ["intercept", "effect", "sd", "link", "scale", "seed", "levels"];

/** What coefficients of a link are about, and how a step on its scale is told. */
const TOLD = {
  logit: { of: "odds", axis: "log-odds", ratio: "odds ratio" },
  cloglog: { of: "cumulative hazard", axis: "log cumulative hazard", ratio: "hazard ratio" },
  log: { of: "expectation", axis: "log of the expectation", ratio: "ratio of means" },
  probit: { of: "probit", axis: "probit", ratio: null },
};

const numbersOf = (model) => ({
  intercept: model.get("intercept"),
  effect: model.get("effect"),
  sd: model.get("sd"),
  link: LINKS[model.get("link")],
  told: TOLD[model.get("link")],
  onLink: model.get("scale") === "link",
});

/** Step of x in units of the comparison: 0 at `x_from`, 1 at `x_to`. */
const steps = (model, x) => (x - model.get("x_from")) / (model.get("x_to") - model.get("x_from"));

/** Ends of the vertical axis: 0 and 1 for probabilities, otherwise what holds the middle of the levels. */
function ends({ intercept, effect, sd, link, onLink }, [low, high]) {
  const etas = [low, high].map((step) => intercept + effect * step);
  const [least, most] = [Math.min(...etas) - 2 * sd, Math.max(...etas) + 2 * sd];
  if (onLink) return [Math.min(least - 0.5, -3), Math.max(most + 0.5, 3)];
  if (link.ceiling === 1) return [0, 1];
  return [0, 1.15 * Math.max(...etas.map((eta) => Math.max(link.inverse(eta + sd), link.average(eta, sd))))];
}

function draw(model, drawing, size) {
  const now = numbersOf(model);
  const { intercept, effect, sd, link, told, onLink } = now;
  const [low, high] = [model.get("x_low"), model.get("x_high")];
  const expected = model.get(link.ceiling === 1 ? "probability" : "number");
  const names = model.get("x_names");
  const place = axes(drawing, size, {
    x: [low, high],
    y: ends(now, [steps(model, low), steps(model, high)]),
    xLabel: model.get("x"),
    yLabel: onLink ? told.axis : expected,
    xNames: names.length ? [model.get("x_from"), model.get("x_to")].map((x, i) => [x, names[i]]) : undefined,
  });
  const clip = `bayes-glmm-${Math.random().toString(36).slice(2)}`; // ids are the whole page's
  const frame = svg("clipPath", { id: clip });
  const [width, height] = [place.right - place.left, place.bottom - place.top];
  frame.append(svg("rect", { x: place.left, y: place.top - 2, width, height: height + 4 }));
  const curves = svg("g", { "clip-path": `url(#${clip})` });
  drawing.append(frame, curves);
  const xs = Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1));
  const curve = (kind, height) =>
    curves.append(svg("path", { class: kind, d: path(xs.map((x) => [place.x(x), place.y(height(x))])) }));
  const eta = (x) => intercept + effect * steps(model, x);
  const shown = (value) => (onLink ? value : link.inverse(value));
  const averaged = (x) => (onLink ? link.linked : link.average)(eta(x), sd);
  for (const z of normalDraws(model.get("seed"), model.get("levels"))) curve("level", (x) => shown(eta(x) + sd * z));
  curve("typical", (x) => shown(eta(x)));
  curve("average", averaged);
  for (const x of [model.get("x_from"), model.get("x_to")]) {
    curves.append(svg("circle", { class: "typical", cx: place.x(x), cy: place.y(shown(eta(x))), r: 5 }));
    curves.append(svg("circle", { class: "average", cx: place.x(x), cy: place.y(averaged(x)), r: 5 }));
  }
}

/** "multiplies the odds by 2.7 (odds ratio, conditional)", or what a step on the probit scale is. */
function changes(told, step, kind) {
  if (told.ratio === null) return `${step < 0 ? "lowers" : "raises"} the probit by ${short(Math.abs(step))} (${kind})`;
  return `multiplies the ${told.of} by ${short(Math.exp(step))} (${told.ratio}, ${kind})`;
}

/** Why the two stories differ, or why they do not. */
function why({ effect, sd, link, told }, group, groups) {
  if (sd === 0) return `All ${groups} are alike, so both stories are the same.`;
  const lifted = Math.exp((sd * sd) / 2);
  if (link === LINKS.log)
    return `Under a log link both ratios are the same. The average lies ${short(lifted)} = exp(sd²/2) times above the typical ${group}: a few high ones pull it up.`;
  if (effect === 0) return "Without an effect both are the same; only the level differs.";
  const flatter =
    link === LINKS.probit
      ? `Under a probit link the average is flatter by √(1 + sd²) = ${short(Math.sqrt(1 + sd * sd))}.`
      : `The average is flatter, because ${groups} differ: those near 0 or 1 hardly move.`;
  const size = told.ratio ? `the ${told.ratio} of the average is closer to 1` : "its step is smaller";
  return `${flatter} Both are right. What changes for one ${group} is the first; what changes in the population is the second, and ${size}.`;
}

function words(model) {
  const now = numbersOf(model);
  const { intercept, effect, sd, link, told } = now;
  const [group, groups, x] = ["group", "groups", "x"].map((name) => model.get(name));
  const names = model.get("x_names").length ? model.get("x_names") : ["x_from", "x_to"].map((end) => short(model.get(end), 6));
  const from = link.linked(intercept, sd);
  const to = link.linked(intercept + effect, sd);
  const mean = (value) => (link.ceiling === 1 ? percent(value) : short(value));
  const pair = (height) => `from ${mean(height(intercept))} to ${mean(height(intercept + effect))}.`;
  return [
    sentence(`From ${x} = ${names[0]} to ${x} = ${names[1]}:`),
    sentence(["typical", `In a typical ${group}`], `, it ${changes(told, effect, "conditional")}, `, pair(link.inverse)),
    sentence(["average", `On average over all ${groups}`], `, it ${changes(told, to - from, "marginal")}, `, pair((eta) => link.average(eta, sd))),
    sentence(why(now, group, groups)),
  ];
}

function legend(model) {
  const key = (kind) => {
    const drawing = svg("svg", { width: 34, height: 12, "aria-hidden": "true" });
    drawing.append(svg("path", { class: kind, d: "M1,6L33,6" }));
    return drawing;
  };
  const element = document.createElement("div");
  element.className = "legend";
  const show = () => {
    const [group, groups] = [model.get("group"), model.get("groups")];
    const kinds = {
      typical: `a typical ${group} (effect 0)`,
      average: `average over all ${groups}`,
      level: `${model.get("levels")} ${groups}`,
    };
    element.replaceChildren(
      ...Object.entries(kinds).map(([kind, text]) => {
        const line = document.createElement("div");
        line.append(key(kind), text);
        return line;
      }),
    );
  };
  return { element, show };
}

export function render({ model, el }) {
  const moved = ["intercept", "effect", "sd", "link", "scale", "seed"];
  const start = Object.fromEntries(moved.map((name) => [name, model.get(name)]));
  const [group, groups] = [model.get("group"), model.get("groups")];
  const reset = () => setAll(model, start);
  const more = () => setAll(model, { seed: model.get("seed") + 1 });
  const links = model.get("links");
  return lay({
    model,
    el,
    title: `Two stories: a typical ${group}, and the average over all ${groups}`,
    names: NAMES,
    controls: [
      legend(model),
      slider(model, "intercept", { label: "intercept", low: -5, high: 5, step: 0.1 }),
      slider(model, "effect", { label: `effect of ${model.get("x")}`, low: -4, high: 4, step: 0.1 }),
      slider(model, "sd", { label: `sd between ${groups}`, low: 0, high: 4, step: 0.05 }),
      ...(links.length > 1 ? [choice(model, "link", "link", links)] : []),
      checkbox(model, "scale", "on the scale of the linear predictor", ["response", "link"]),
    ],
    buttons: [button("more", `other ${groups}`, more), button("reset", "reset", reset)],
    draw: (drawing, size) => draw(model, drawing, size),
    words: () => words(model),
  });
}

export default { render };
