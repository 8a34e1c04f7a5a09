// Panels on one time axis, step by step: what ran, what came, what it did to latency, and where memory ran out.

import { element, svg } from "./dom.js";
import { count, cpu, fixed, fullTime, isNumber, localTime, memory, NONE, percent } from "./format.js";
import { domain, linear } from "./scale.js";

const PANEL = 58;
const GAP = 10;
const LEFT = 104;
const RIGHT = 74;

const PANELS = [
  { key: "replicas", title: "Replicas", text: count, stepped: true },
  { key: "cpuMillicores", title: "CPU limit", text: (value) => cpu(value / 1000), stepped: true },
  { key: "memoryBytes", title: "Memory limit", text: memory, stepped: true },
  { key: "requestRate", title: "Requests/s", text: (value) => fixed(value, 1) },
  { key: "cpuUtilization", title: "CPU used", text: (value) => percent(value), limit: () => 1 },
  { key: "memoryUtilization", title: "Memory used", text: (value) => percent(value), limit: () => 1, kills: true },
  { key: "latencySeconds", title: "Latency", text: (value) => `${Number(value.toPrecision(3))} s`,
    limit: (profile) => profile?.slo?.latencySeconds ?? null },
];

export class Steps {
  root = element("div", { class: "plot steps-plot" });
  #data = null;
  #profile = null;
  #width = 0;
  #signature = "";
  #line = null;
  #readout = element("p", { class: "readout soft", role: "status" });
  #selected = null;

  constructor() {
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width > 0 && width !== this.#width) { this.#width = width; this.#draw(); }
    }).observe(this.root);
  }

  show(data, profile) {
    const signature = JSON.stringify([data, profile?.slo]);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#data = data;
    this.#profile = profile;
    this.#draw();
  }

  #draw() {
    if (this.#width === 0 || this.#data === null) return;
    const { time } = this.#data;
    if (time.length < 2) {
      this.root.replaceChildren(element("p", { class: "soft" }, "The panels begin with the second decision."));
      return;
    }
    const height = PANELS.length * (PANEL + GAP) + 22;
    const times = time.map((text) => Date.parse(text));
    this.x = linear(times[0], times.at(-1), LEFT, this.#width - RIGHT);
    this.times = times;
    this.#line = svg("line", { class: "cursor-line", x1: 0, x2: 0, y1: 0, y2: height - 22, visibility: "hidden" });
    const drawing = svg("svg", { viewBox: `0 0 ${this.#width} ${height}`, width: this.#width, height, tabindex: 0,
      role: "group", "aria-label": `The last ${time.length} steps: replicas, limits, load, use and latency. `
        + "Left and right arrows read single steps.",
      onpointermove: (event) => this.#point(event), onpointerleave: () => this.#choose(null),
      onkeydown: (event) => this.#key(event) },
    PANELS.map((panel, i) => this.#panel(panel, i * (PANEL + GAP))), this.#line, this.#axis(height));
    const hadFocus = this.root.contains(document.activeElement);
    this.root.replaceChildren(drawing, this.#readout);
    if (hadFocus) drawing.focus({ preventScroll: true });
    this.#choose(this.#selected);
  }

  #panel(panel, top) {
    const values = this.#data[panel.key];
    const limit = panel.limit?.(this.#profile) ?? null;
    const known = values.filter(isNumber);
    const [low, high] = domain([...known, limit], 0.08, known.length > 0 ? Math.abs(known[0]) * 0.05 || 0.05 : 1);
    const y = linear(low, high, top + PANEL - 2, top + 4);
    const latest = values.findLast(isNumber);
    return svg("g", {},
      svg("rect", { class: "panel", x: LEFT, y: top, width: this.#width - LEFT - RIGHT, height: PANEL }),
      svg("text", { x: 0, y: top + 16 }, panel.title),
      svg("text", { class: "latest", x: this.#width - RIGHT + 6, y: top + 16 },
        latest === undefined ? "not given" : panel.text(latest)),
      isNumber(limit) ? [svg("line", { class: "threshold", x1: LEFT, x2: this.#width - RIGHT, y1: y(limit), y2: y(limit) }),
        svg("text", { x: 0, y: top + 31 }, `≤ ${panel.text(limit)}`)] : null,
      svg("path", { class: "series", d: this.#path(values, y, panel.stepped) }),
      panel.kills ? this.#kills(top) : null);
  }

  #path(values, y, stepped) {
    let path = "";
    let open = false;
    values.forEach((value, i) => {
      if (!isNumber(value)) { open = false; return; }
      const [x, at] = [this.x(this.times[i]).toFixed(1), y(value).toFixed(1)];
      path += !open ? `M${x} ${at}` : stepped ? `H${x}V${at}` : `L${x} ${at}`;
      open = true;
    });
    return path;
  }

  /** A cross for each step with OOM kills: a shape, not a colour alone. */
  #kills(top) {
    return svg("g", { class: "kills" }, this.#data.oomKills.map((kills, i) => {
      if (!(kills > 0)) return null;
      const x = this.x(this.times[i]);
      return svg("path", { d: `M${x - 4} ${top + 2}l8 8m0 -8l-8 8` });
    }));
  }

  #axis(height) {
    const every = Math.max(1, Math.ceil((this.#width - LEFT - RIGHT) / 130));
    return svg("g", {}, Array.from({ length: every + 1 }, (_, i) => {
      const at = this.times[0] + (this.times.at(-1) - this.times[0]) * i / every;
      return svg("text", { x: this.x(at), y: height - 6, "text-anchor": "middle" }, localTime(at));
    }));
  }

  #point(event) {
    const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
    let nearest = 0;
    this.times.forEach((time, i) => {
      if (Math.abs(this.x(time) - at) < Math.abs(this.x(this.times[nearest]) - at)) nearest = i;
    });
    this.#choose(nearest);
  }

  #key(event) {
    const last = this.times.length - 1;
    const now = this.#selected ?? last + 1;
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#choose(Math.max(0, Math.min(last, next)));
  }

  /** What was asked for in these steps, and what the rules would have asked for on the same observations. */
  #asked() {
    const mean = (replicas, size) => {
      const products = this.#data[replicas].map((count, i) => count * this.#data[size][i]).filter(isNumber);
      return products.length > 0 ? products.reduce((a, b) => a + b, 0) / products.length : NaN;
    };
    const parts = [["cores", "CpuMillicores", 1000], ["GiB", "MemoryBytes", 2 ** 30]].map(([unit, size, scale]) => {
      const [own, rules] = [mean("desiredReplicas", `desired${size}`) / scale, mean("rulesReplicas", `rules${size}`) / scale];
      if (!isNumber(own) || !isNumber(rules) || rules === 0) return null;
      const change = 100 * (own / rules - 1);
      return `${fixed(own, 1)} ${unit}, the rules ${fixed(rules, 1)} (${change > 0 ? "+" : change < 0 ? "−" : ""}${fixed(Math.abs(change), 0)} %)`;
    }).filter(Boolean);
    return parts.length > 0 ? `Asked for on average: ${parts.join("; ")}. ` : "";
  }

  #choose(index) {
    this.#selected = index !== null && index < this.times.length ? index : null;
    this.#line.setAttribute("visibility", this.#selected === null ? "hidden" : "visible");
    if (this.#selected === null) {
      this.#readout.textContent = `${this.#asked()}× marks OOM kills; dashed lines are limits and the objective. Point at a step to read it.`;
      return;
    }
    const x = this.x(this.times[this.#selected]);
    this.#line.setAttribute("x1", x);
    this.#line.setAttribute("x2", x);
    const figures = PANELS.map((panel) => {
      const value = this.#data[panel.key][this.#selected];
      return `${panel.title.toLowerCase()} ${isNumber(value) ? panel.text(value) : NONE}`;
    });
    const kills = this.#data.oomKills[this.#selected];
    this.#readout.textContent = `${fullTime(this.#data.time[this.#selected])}, episode `
      + `${this.#data.episode[this.#selected]}, ${this.#data.source[this.#selected]}: ${figures.join(", ")}`
      + (kills > 0 ? `, ${kills} OOM kills` : "");
  }
}
