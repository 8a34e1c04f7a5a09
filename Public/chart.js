// The reward chart: episodes, their moving mean, the rules' line, thresholds, stages and violations; hand-drawn SVG.

import { element, keepingPlace, refresh, row, svg, table } from "./dom.js";
import { STAGES } from "./explain.js";
import { count, fixed, fullTime, isNumber, percent, plural } from "./format.js";
import { domain, linear, runs, ticks, trailingMeans } from "./scale.js";
import { clockNode } from "./time.js";

const HEIGHT = 340;
const STRIP = 44;
const MARGIN = { top: 30, right: 62, bottom: 46, left: 52 };
const MARKERS_MAX = 30;
const TABLE_ROWS = 50;

const RANGES = [
  { title: "All", episodes: Infinity }, { title: "Last 100", episodes: 100 }, { title: "Last 25", episodes: 25 },
];
const TABLE_COLUMNS = [
  { title: "Episode" }, { title: "Ended" }, { title: "Stage" }, { title: "Acting" },
  { title: "Reward", className: "number" }, { title: "Rules", className: "number" },
  { title: "Violations", className: "number" },
];

const stageClass = (stage) => (STAGES.includes(stage) ? stage : "unknown");

export class Chart {
  root = element("div", { class: "chart-box" });
  #data = { points: [], thresholds: {}, transitions: [] };
  #window = 10;
  #range = RANGES[0];
  #selected = null;
  #geometry = null;
  #width = 0;
  #tools = element("div", { class: "tools" });
  #plot = element("div", { class: "plot" });
  #tip = element("div", { class: "tip", hidden: true });
  #spoken = element("p", { class: "unseen", "aria-live": "polite" });
  #figures = element("div");
  #dragged = null;
  #chosen;

  /** `chosen(range)` hears of a range that was dragged, {from, to}, or of null when it is given up. */
  constructor(chosen = () => {}) {
    this.#chosen = chosen;
    this.#plot.append(this.#tip);
    this.root.append(this.#tools, this.#plot, this.#spoken, this.#figures);
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width > 0 && width !== this.#width) {
        this.#width = width;
        this.#draw();
      }
    }).observe(this.#plot);
  }

  /** Shows episodes `from` to `to` alone; null shows what the chips say. */
  select(range) {
    this.#range = range === null ? RANGES[0] : { title: `${range.from} to ${range.to}`, ...range };
    this.#selected = null;
    this.#drawTools();
    this.#draw();
  }

  /** Draws the answer of `GET .../rewards`, with marks for what people did; `window` is the length of the moving mean. */
  show(data, window, marks = []) {
    const signature = JSON.stringify([data, window, marks]);
    if (this.signature === signature) return;
    this.signature = signature;
    const points = (data.points ?? []).filter((point) => isNumber(point.episode) && isNumber(point.reward));
    this.#data = { points, thresholds: data.thresholds ?? {}, transitions: data.transitions ?? [],
      marks: placed(marks, points) };
    this.#window = window;
    this.#drawTools();
    this.#draw();
    refresh(this.#figures, points, () => (points.length > 0 ? figures(points) : []));
  }

  #drawTools() {
    const { points } = this.#data;
    refresh(this.#tools, [points.length > 0, this.#range.title, this.#window], () => (points.length === 0 ? [] : [
      legend(this.#window),
      element("div", { class: "chips", role: "group", "aria-label": "Range of episodes" },
        [...RANGES, ...(RANGES.includes(this.#range) ? [] : [this.#range])].map((range) =>
        element("button", {
          type: "button", class: "chip", "aria-pressed": String(range === this.#range), "data-key": range.title,
          onclick: () => { this.#chosen(null); this.#range = range; this.#selected = null; this.#drawTools(); this.#draw(); },
        }, range.title))),
    ]));
  }

  #draw() {
    if (this.#width === 0) return;
    const { points: all } = this.#data;
    const first = (all.at(-1)?.episode ?? 0) - this.#range.episodes;
    const { from, to } = this.#range;
    const points = from === undefined ? all.filter((point) => point.episode > first)
      : all.filter((point) => point.episode >= from && point.episode <= to);
    this.#hideTip();
    const old = this.#plot.querySelector("svg, .nothing");
    const drawn = points.length === 0
      ? element("p", { class: "soft nothing" }, all.length > 0
        ? "There is no episode in this range. Choose All." : "No finished episode yet. The chart begins with the first one.")
      : this.#drawing(points, all);
    keepingPlace(this.#plot, () => (old ? old.replaceWith(drawn) : this.#plot.prepend(drawn)));
    if (this.#selected !== null && points.length > 0) this.#select(Math.min(this.#selected, points.length - 1), false);
  }

  /** Scales first, then layers from back to front. */
  #drawing(points, all) {
    const means = (key) =>
      trailingMeans(all.map((point) => point[key]), this.#window).slice(all.length - points.length);
    const lines = { reward: means("reward"), rules: means("rulesReward") };
    const { online, serving } = this.#data.thresholds;
    const [low, high] = domain([...points.map((p) => p.reward), ...lines.rules, online, serving], 0.06, 0.02);
    const [from, to] = [points[0].episode, points.at(-1).episode];
    const pad = from === to ? 1 : 0;
    const bottom = HEIGHT - MARGIN.bottom;
    const geometry = {
      points, lines, low, high, width: this.#width, bottom: bottom - STRIP - 12, stripBottom: bottom,
      x: linear(from - pad, to + pad, MARGIN.left + 6, this.#width - MARGIN.right - 6),
      y: linear(low, high, bottom - STRIP - 12, MARGIN.top),
    };
    this.#geometry = geometry;
    const drawing = svg("svg", {
      viewBox: `0 0 ${this.#width} ${HEIGHT}`, width: this.#width, height: HEIGHT, tabindex: 0, role: "group",
      "data-key": "plot", "aria-label": summary(points),
      onpointerdown: (event) => this.#grab(event), onpointerup: (event) => this.#drop(event),
      onpointermove: (event) => (this.#dragged === null ? this.#pointed(event) : this.#drag(event)),
      onpointerleave: () => this.#hideTip(), onkeydown: (event) => this.#key(event), onblur: () => this.#hideTip(),
    }, stageBands(geometry), axes(geometry), violations(geometry), thresholdLines(geometry, this.#data.thresholds),
    episodes(geometry), seriesLines(geometry),
    svg("rect", { class: "selection", y: MARGIN.top, height: bottom - MARGIN.top, width: 0 }),
    svg("g", { class: "cursor" }), this.#markers(geometry));
    return drawing;
  }

  /** Stage changes: a line with a mark on top that can be pointed at and focused, to read the reason. */
  #markers({ points, x, bottom }) {
    const [from, to] = [points[0].episode, points.at(-1).episode];
    const shown = [...this.#data.transitions, ...this.#data.marks].filter((change) => change.episode >= from && change.episode <= to);
    return svg("g", { class: "markers" }, shown.slice(-MARKERS_MAX).map((change) => {
      const at = x(change.episode);
      const show = (event) => { event.stopPropagation(); this.#showTip(at, transitionTip(change)); };
      return svg("g", {
        class: `marker ${change.kind ?? stageClass(change.to)}`, tabindex: 0, role: "img",
        "data-key": `marker ${change.kind ?? ""} ${change.episode} ${change.time}`,
        "aria-label": `Episode ${change.episode}: ${change.kind ?? "from"} ${change.from} to ${change.to}. ${change.reason ?? ""}`,
        onpointermove: show, onfocus: show, onblur: () => this.#hideTip(),
      }, svg("line", { x1: at, x2: at, y1: MARGIN.top - 6, y2: bottom }),
      svg("rect", { class: "hit", x: at - 12, y: MARGIN.top - 24, width: 24, height: 26 }),
      svg("path", { d: `M${at} ${MARGIN.top - 17} l6 6 l-6 6 l-6 -6 Z` }));
    }));
  }

  /** Where in the plot a pointer is, between its margins. */
  #place(event) {
    const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
    return Math.max(MARGIN.left, Math.min(this.#width - MARGIN.right, at));
  }

  #grab(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    this.#dragged = this.#place(event);
    event.currentTarget.setPointerCapture?.(event.pointerId);
  }

  #drag(event) {
    const at = this.#place(event);
    const rect = event.currentTarget.querySelector(".selection");
    rect.setAttribute("x", Math.min(at, this.#dragged));
    rect.setAttribute("width", Math.abs(at - this.#dragged));
  }

  /** The range that was dragged over, when it is more than a slip of the hand. */
  #drop(event) {
    const begin = this.#dragged;
    this.#dragged = null;
    if (begin === null) return;
    const ends = [begin, this.#place(event)].sort((a, b) => a - b);
    event.currentTarget.querySelector(".selection").setAttribute("width", 0);
    if (ends[1] - ends[0] < 8) return;
    const inside = this.#geometry.points.filter(({ episode }) =>
      this.#geometry.x(episode) >= ends[0] && this.#geometry.x(episode) <= ends[1]);
    if (inside.length < 2) return;
    const range = { from: inside[0].episode, to: inside.at(-1).episode };
    this.#chosen(range);
    this.select(range);
  }

  #pointed(event) {
    const { points, x } = this.#geometry;
    const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
    let nearest = 0;
    points.forEach((point, i) => {
      if (Math.abs(x(point.episode) - at) < Math.abs(x(points[nearest].episode) - at)) nearest = i;
    });
    this.#select(nearest, false);
  }

  #key(event) {
    const last = this.#geometry.points.length - 1;
    const now = this.#selected ?? last + 1;
    const next = {
      ArrowLeft: now - 1, ArrowRight: now + 1, PageUp: now - 10, PageDown: now + 10, Home: 0, End: last,
    }[event.key];
    if (event.key === "Escape") this.#hideTip();
    if (next === undefined || event.target !== event.currentTarget) return;
    event.preventDefault();
    this.#select(Math.max(0, Math.min(last, next)), true);
  }

  #select(index, speak) {
    const { points, lines, x, y, stripBottom } = this.#geometry;
    const point = points[index];
    this.#selected = index;
    this.#plot.querySelector(".cursor").replaceChildren(
      svg("line", { x1: x(point.episode), x2: x(point.episode), y1: MARGIN.top, y2: stripBottom }),
      svg("circle", {
        cx: x(point.episode), cy: y(point.reward), r: 5, class: point.source === "policy" ? "policy" : "rules",
      }));
    const text = pointTip(point, lines.reward[index], lines.rules[index]);
    this.#showTip(x(point.episode), text);
    if (speak) this.#spoken.textContent = text.join(", ");
  }

  #showTip(at, [title, ...rest]) {
    this.#tip.replaceChildren(element("strong", {}, title), ...rest.map((line) => element("span", {}, line)));
    this.#tip.hidden = false;
    const width = this.#tip.offsetWidth;
    const right = at + 14 + width < this.#width ? at + 14 : Math.max(0, at - 14 - width);
    this.#tip.style.left = `${Math.max(0, Math.min(right, this.#width - width))}px`;
  }

  #hideTip() {
    this.#tip.hidden = true;
    this.#selected = null;
    this.#plot.querySelector(".cursor")?.replaceChildren();
  }
}

/** Marks at the episode that was running when they happened. */
function placed(marks, points) {
  return marks.map((mark) => {
    const next = points.find((point) => point.time >= mark.time);
    return { ...mark, episode: isNumber(mark.episode) ? mark.episode : next?.episode ?? points.at(-1)?.episode };
  }).filter((mark) => isNumber(mark.episode));
}

function legend(window) {
  const entry = (name, text, ...marks) => element("li", {}, svg("svg", {
    class: `key ${name}`, viewBox: "0 0 22 10", width: 22, height: 10, "aria-hidden": "true" }, marks), text);
  const line = (kind) => svg("line", { class: kind, x1: 0, x2: 22, y1: 5, y2: 5 });
  return element("ul", { class: "legend" },
    entry("policy", "policy acted", svg("circle", { class: "dot policy", cx: 11, cy: 5, r: 3 })),
    entry("rules", "rules acted", svg("rect", { class: "dot rules", x: 8.5, y: 2.5, width: 5, height: 5 })),
    entry("mean", `reward, mean of ${window}`, line("series reward")),
    entry("mean", `rules' estimate, mean of ${window}`, line("series baseline")),
    entry("limit", "thresholds", line("threshold")));
}

/** Tinted stretches, one for each stage, with the name where there is room. */
function stageBands({ points, x, bottom, width }) {
  const stretches = runs(points, (point) => point.stage);
  const edge = (i) => (x(points[i - 1].episode) + x(points[i].episode)) / 2;
  return svg("g", { class: "bands" }, stretches.map((stretch, i) => {
    const left = i === 0 ? MARGIN.left : edge(stretch.from);
    const right = i === stretches.length - 1 ? width - MARGIN.right : edge(stretch.to + 1);
    const name = String(stretch.value ?? "unknown");
    return [
      svg("rect", { class: `band ${stageClass(stretch.value)}`, x: left, y: MARGIN.top, width: right - left,
        height: bottom - MARGIN.top }),
      right - left > name.length * 7 + 20
        ? svg("text", { x: (left + right) / 2, y: MARGIN.top - 9, "text-anchor": "middle" }, name) : null,
    ];
  }));
}

function axes({ points, low, high, x, y, bottom, stripBottom, width }) {
  const [from, to] = [points[0].episode, points.at(-1).episode];
  const decimals = high - low < 0.05 ? 3 : 2;
  const middle = (MARGIN.top + bottom) / 2;
  return svg("g", { class: "axes" },
    ticks(low, high, 8).map((value) => [
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, fixed(value, decimals)),
    ]),
    ticks(from, to, Math.max(4, width / 110), true).map((value) => [
      svg("line", { class: "notch", x1: x(value), x2: x(value), y1: stripBottom, y2: stripBottom + 4 }),
      svg("text", { x: x(value), y: stripBottom + 17, "text-anchor": "middle" }, count(value)),
    ]),
    svg("text", {
      class: "title", x: (MARGIN.left + width - MARGIN.right) / 2, y: HEIGHT - 8, "text-anchor": "middle",
    }, "Episode"),
    svg("text", { class: "title", transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle" },
      "Mean step reward (0 to 1)"));
}

/** The strip below: the share of steps of each episode that missed the objective. */
function violations({ points, x, stripBottom, width }) {
  const top = Math.max(0.01, ...points.map((point) => point.violations).filter(isNumber));
  const height = linear(0, top, 0, STRIP - 10);
  const wide = Math.max(1, Math.min(8, (width - MARGIN.left - MARGIN.right) / points.length * 0.7));
  return svg("g", { class: "violations" },
    svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: stripBottom, y2: stripBottom }),
    points.filter((point) => point.violations > 0).map((point) => svg("rect", {
      x: x(point.episode) - wide / 2, y: stripBottom - height(point.violations),
      width: wide, height: height(point.violations),
    })),
    svg("text", { x: MARGIN.left - 8, y: stripBottom - STRIP + 14, "text-anchor": "end" }, percent(top)),
    svg("text", { x: MARGIN.left - 8, y: stripBottom + 3, "text-anchor": "end" }, "0 %"),
    svg("text", { class: "inside", x: MARGIN.left + 6, y: stripBottom - STRIP + 8 },
      "Steps that missed the objective"));
}

/** Dashed lines with their names in the right margin, pushed apart where they would touch. */
function thresholdLines({ y, width, low, high }, thresholds) {
  const right = width - MARGIN.right;
  let free = -Infinity;
  return svg("g", { class: "thresholds" }, ["serving", "online"].map((name) => {
    const value = thresholds[name];
    if (!isNumber(value) || value < low || value > high) return null;
    const label = Math.max(y(value) - 2, free);
    free = label + 28;
    return [
      svg("line", { class: "threshold", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { x: right + 6, y: label }, name),
      svg("text", { x: right + 6, y: label + 13 }, `≥ ${fixed(value)}`),
    ];
  }));
}

/** A circle for each episode in which the policy acted, a square for the others. */
function episodes({ points, x, y }) {
  const size = points.length > 200 ? 1.8 : 2.6;
  const side = 2 * size;
  return svg("g", { class: "episodes" }, points.map((point) => (point.source === "policy"
    ? svg("circle", { class: "dot policy", cx: x(point.episode), cy: y(point.reward), r: size })
    : svg("rect", {
      class: "dot rules", x: x(point.episode) - size, y: y(point.reward) - size, width: side, height: side }))));
}

function seriesLines({ points, lines, x, y }) {
  const path = (values) => values.map((value, i) => {
    if (value === null) return "";
    const command = i === 0 || values[i - 1] === null ? "M" : "L";
    return `${command}${x(points[i].episode).toFixed(1)} ${y(value).toFixed(1)}`;
  }).join("");
  return svg("g", { class: "lines" }, svg("path", { class: "series baseline", d: path(lines.rules) }),
    svg("path", { class: "series reward", d: path(lines.reward) }));
}

function pointTip(point, mean, rulesMean) {
  return [
    `Episode ${count(point.episode)}`, `${fullTime(point.time)}`,
    `reward ${fixed(point.reward)} (mean ${fixed(mean)})`,
    `rules ${fixed(point.rulesReward)} (mean ${fixed(rulesMean)})`,
    `missed objective ${percent(point.violations, 1)} of steps`,
    `${point.stage ?? "unknown"}, ${point.source ?? "nobody"} acted`
      + (point.modelVersion > 0 ? `, model v${point.modelVersion}` : ""),
  ];
}

function transitionTip(change) {
  const what = change.kind === "control" ? `${change.to} (by ${change.from})`
    : change.kind ? `${change.kind}: ${change.from} → ${change.to}` : `${change.from} → ${change.to}`;
  return [what, `episode ${count(change.episode)}, ${fullTime(change.time)}`,
    change.reason ?? "No reason recorded."];
}

/** What the chart shows, for those who do not see it. */
function summary(points) {
  const last = points.at(-1);
  return `Reward of episodes ${points[0].episode} to ${last.episode}; the last has ${fixed(last.reward)}, `
    + `the rules' estimate ${fixed(last.rulesReward)}. Left and right arrows read single episodes.`;
}

/** The newest episodes as a table. */
function figures(points) {
  const newest = points.slice(-TABLE_ROWS).reverse();
  const rows = newest.map((point) => row(TABLE_COLUMNS, [
    count(point.episode), clockNode(point.time), point.stage ?? "–", point.source ?? "–", fixed(point.reward),
    fixed(point.rulesReward), percent(point.violations, 1),
  ]));
  return element("details", { "data-key": "figures" },
    element("summary", {}, `The newest ${plural(newest.length, "episode")} as a table`),
    element("div", { class: "scroll" }, table("Rewards, newest episode first", TABLE_COLUMNS, rows)));
}
