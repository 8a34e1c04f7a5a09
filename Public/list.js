// The list of applications: search, filters, sorting, and one row each with stage, actor and reward against the rules.

import { read } from "./api.js";
import { element, reconcile, refresh, row, svg, table } from "./dom.js";
import { gain, gainText, sourceBadge, STAGES, stageBadge } from "./explain.js";
import { count, cpu, fixed, isNumber, memory, NONE, parseTime, percent } from "./format.js";
import { timeNode } from "./time.js";

const PAGE = 500;
const ROWS = 50;

const FILTERS = [
  { key: "all", title: "All", test: () => true },
  { key: "policy", title: "Policy acts", test: (item) => item.source === "policy" },
  { key: "rules", title: "Rules act", test: (item) => item.source === "rules" },
  { key: "held", title: "Held or pinned", test: (item) => item.source === "hold" || item.source === "pin" },
  { key: "below", title: "Below the rules", test: isBelow },
];

/** A policy that acts although its reward is under the rules' deserves a look. */
function isBelow(item) {
  return item.source === "policy" && (gain(item) ?? 0) < -0.0005;
}

const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true });
const byNumber = (figure) => (a, b) => (figure(a) ?? -Infinity) - (figure(b) ?? -Infinity);

/** Lower is more urgent: held, then below the rules, then pinned, then the rest. */
function urgency(item) {
  return item.source === "hold" ? 0 : isBelow(item) ? 1 : item.source === "pin" ? 2 : 3;
}

const ORDERS = {
  urgency: byNumber(urgency),
  name: byName,
  stage: byNumber((item) => STAGES.indexOf(item.stage)),
  source: (a, b) => String(a.source).localeCompare(String(b.source)),
  gain: byNumber(gain),
  replicas: byNumber((item) => item.replicas),
  updated: byNumber((item) => parseTime(item.updated)),
};

const COLUMNS = [
  { title: "Application", order: "name" },
  { title: "Stage", order: "stage" },
  { title: "Acting", order: "source" },
  { title: "Reward", className: "reward", order: "gain", hint: "Mean step reward, and its distance to the rules'" },
  { title: "Replicas", className: "number", order: "replicas" },
  { title: "CPU", className: "number" },
  { title: "Memory", className: "number" },
  { title: "Last decision", className: "number", order: "updated" },
];

/** The view of `#/`: `load(signal)` reads what `show(data)` then draws. */
export class ListView {
  title = "aware";
  root = element("section", { class: "list" });
  #data = null;
  #wanted = PAGE;
  #rows = ROWS;
  #text = "";
  #filter = "all";
  #order = { key: "urgency", descending: false };
  #parts = null;
  #reload;

  /** `reload()` asks for a refresh at once. */
  constructor(reload) {
    this.#reload = reload;
  }

  /** Follows the cursor until `#wanted` applications are there. */
  async load(signal) {
    const items = [];
    let cursor = null;
    do {
      const from = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const page = await read(`/v1/applications?limit=${PAGE}${from}`, signal);
      items.push(...(page.items ?? []).filter((item) => typeof item?.name === "string"));
      cursor = page.nextCursor ?? null;
    } while (cursor && items.length < this.#wanted);
    return { items, more: cursor !== null };
  }

  show(data) {
    this.#data = data;
    if (data.items.length === 0) {
      this.#parts = null;
      refresh(this.root, "empty", emptyState);
      return;
    }
    if (!this.#parts) this.#build();
    this.#draw();
  }

  #build() {
    const redraw = () => { this.#rows = ROWS; this.#draw(); };
    const search = element("input", {
      type: "search", placeholder: "Search by name or objective", "aria-label": "Search applications",
      "data-key": "search", autocomplete: "off", spellcheck: "false", maxlength: "253",
      oninput: (event) => { this.#text = event.target.value; redraw(); },
    });
    search.value = this.#text;
    const filters = FILTERS.map((filter) => element("button", {
      type: "button", class: "chip", onclick: () => { this.#filter = filter.key; redraw(); },
    }));
    const body = table("Applications", COLUMNS.map((column) => this.#heading(column)), [], "cards applications");
    this.#parts = { filters, body, note: element("p", { class: "note", role: "status" }), more: element("p") };
    refresh(this.root, "list", () => [
      element("h1", { class: "unseen" }, "Applications"),
      element("div", { class: "tools" }, search, element("div", { class: "chips", role: "group",
        "aria-label": "Filter" }, filters)),
      element("div", { class: "card flush" }, body), this.#parts.note, this.#parts.more,
    ]);
  }

  #heading(column) {
    if (!column.order) return column;
    const button = element("button", { type: "button", onclick: () => {
      const again = this.#order.key === column.order;
      this.#order = { key: column.order, descending: again ? !this.#order.descending : false };
      this.#draw();
    } }, column.title);
    return { ...column, header: button };
  }

  /** Search, filter, sort, then at most `#rows` rows. */
  #draw() {
    const { items, more } = this.#data;
    const text = this.#text.trim().toLowerCase();
    const found = items.filter((item) => `${item.name} ${item.objective ?? ""}`.toLowerCase().includes(text));
    const filter = FILTERS.find((one) => one.key === this.#filter);
    const compare = ORDERS[this.#order.key];
    const sign = this.#order.descending ? -1 : 1;
    const sorted = found.filter(filter.test).sort((a, b) => sign * compare(a, b) || byName(a, b));
    this.#drawFilters(found);
    this.#drawOrder();
    reconcile(this.#parts.body.tBodies[0], sorted.slice(0, this.#rows), (item) => item.name, applicationRow);
    const shown = Math.min(sorted.length, this.#rows);
    refresh(this.#parts.note, [shown, sorted.length, items.length, more, this.#text], () => this.#note(shown, sorted));
    refresh(this.#parts.more, [shown < sorted.length, more], () => this.#buttons(shown < sorted.length, more));
  }

  #drawFilters(found) {
    FILTERS.forEach((filter, i) => {
      const button = this.#parts.filters[i];
      const number = found.filter(filter.test).length;
      button.setAttribute("aria-pressed", String(filter.key === this.#filter));
      button.classList.toggle("alert", filter.key === "below" && number > 0);
      refresh(button, number, () => [filter.title, " ", element("b", {}, count(number))]);
    });
  }

  #drawOrder() {
    [...this.#parts.body.tHead.rows[0].cells].forEach((cell, i) => {
      const active = COLUMNS[i].order === this.#order.key;
      if (active) cell.setAttribute("aria-sort", this.#order.descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  }

  #note(shown, sorted) {
    const { items, more } = this.#data;
    if (sorted.length > 0 && sorted.length === items.length && shown === sorted.length && !more) return [];
    const name = this.#text.trim();
    if (sorted.length === 0) {
      const link = () => element("a", { href: `#/app/${encodeURIComponent(name)}` }, `try “${name}” itself`);
      const open = more && name !== "" && this.#filter === "all" ? [" Not everything is loaded; ", link(), "."] : [];
      return [`Nothing matches among ${count(items.length)} applications.`, ...open];
    }
    const matching = sorted.length < items.length ? `${count(sorted.length)} matching, out of ` : "";
    const rest = more ? " loaded; the server has more." : ".";
    return [`Showing ${count(shown)} of ${matching}${count(items.length)}${rest}`];
  }

  #buttons(hidden, more) {
    const button = (title, action) => element("button", {
      type: "button", class: "plain", "data-key": title, onclick: action,
    }, title);
    return [
      hidden && button(`Show ${ROWS} more`, () => { this.#rows += ROWS; this.#draw(); }),
      more && button(`Load the next ${PAGE}`, () => { this.#wanted += PAGE; this.#reload(); }),
    ];
  }
}

function applicationRow(item) {
  const href = `#/app/${encodeURIComponent(item.name)}`;
  const name = [
    element("a", { href, class: "cover", title: item.name, "data-key": `app ${item.name}` }, item.name),
    item.objective ? element("small", {}, item.objective) : null,
  ];
  const cells = [
    name, stageBadge(item.stage), sourceBadge(item.source), rewardCell(item),
    isNumber(item.replicas) ? count(item.replicas) : NONE, cpu(item.cpu), memory(item.memory), timeNode(item.updated),
  ];
  return row(COLUMNS, cells, isBelow(item) ? "attention" : null);
}

/** The reward as a bar from 0 to 1 with a tick where the rules stand, then the figures. */
function rewardCell(item) {
  if (!isNumber(item.reward)) return element("span", { class: "soft" }, NONE);
  const place = (value) => Math.max(0, Math.min(1, value)) * 64;
  const bar = svg("svg", { class: "bullet", viewBox: "0 0 64 10", width: 64, height: 10, "aria-hidden": "true" },
    svg("rect", { class: "track", x: 0, y: 3, width: 64, height: 4, rx: 2 }),
    svg("rect", { class: "bar", x: 0, y: 3, width: place(item.reward), height: 4, rx: 2 }),
    isNumber(item.rulesReward)
      ? svg("rect", { class: "tick", x: place(item.rulesReward) - 1, y: 0, width: 2, height: 10, rx: 1 }) : null);
  const difference = gain(item);
  const share = difference !== null && item.rulesReward ? percent(difference / item.rulesReward, 1) : null;
  const title = `Rules: ${fixed(item.rulesReward)}${share ? `, difference ${share}` : ""}`;
  return element("span", { class: "figures", title },
    bar, element("span", {}, fixed(item.reward)), gainText(difference));
}

/** Nothing there yet: how to begin, as a command to paste. */
function emptyState() {
  const observation = '{"replicas": 3, "cpuLimit": "512m", "memoryLimit": "512Mi",\n'
    + '       "cpuUtilization": 0.82, "memoryUtilization": 0.55,\n       "latencySeconds": 0.41, "requestRate": 120}';
  const command = `curl -s ${location.origin}/v1/applications/shop-web/decisions \\\n`
    + `  -H 'Content-Type: application/json' \\\n  -d '${observation}'`;
  const copy = element("button", { type: "button", class: "plain", onclick: async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected, copy with Ctrl+C";
    }
  } }, "Copy");
  const code = element("code", {}, command);
  return element("div", { class: "card empty" },
    element("h1", {}, "No applications yet"),
    element("p", {}, "Post a first observation. The application is created with defaults, the rules answer, ",
      "and it appears here within three seconds."),
    element("pre", { tabindex: "0" }, code), copy);
}
