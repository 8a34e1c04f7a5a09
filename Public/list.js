// The overview: how all are, and one row each. The server sorts, filters, searches and pages.

import { read } from "./api.js";
import { comparison, direction, whyNone } from "./compare.js";
import { element, reconcile, refresh, row, table } from "./dom.js";
import { emptyState } from "./empty.js";
import { allocationShort, sourceBadge, stageBadge } from "./explain.js";
import { bytes, count, fixed, isNumber, NONE, percent, plural, signed } from "./format.js";
import { overrideChip } from "./overrides.js";
import { sparkline } from "./spark.js";
import { timeNode } from "./time.js";

const ROWS = 50;
const SEARCH_DELAY_MS = 200;

const FILTERS = [
  { count: "all", title: "All", query: "" },
  { count: "policy", title: "Policy acts", query: "source=policy" },
  { count: "rules", title: "Rules act", query: "source=rules" },
  { count: "hold", title: "Held", query: "source=hold" },
  { count: "pin", title: "Pinned", query: "source=pin" },
  { count: "alarm", title: "Alarms", query: "alarm=true", alert: true },
];

const COLUMNS = [
  { title: "Application", sort: "name" },
  { title: "Stage", sort: "stage" },
  { title: "Acting", sort: "source" },
  { title: "Reward", className: "reward", sort: "reward", hint: "Mean step reward over the window, 0 to 1, and the last episodes" },
  { title: "Against the rules", sort: "difference", hint: "Difference of the window's means, ± one standard error" },
  { title: "Missed", className: "number", sort: "violations", hint: "Share of steps that missed the objective over the window; in bold with a mark when it is more than the profile allows" },
  { title: "Bill", className: "number", hint: "What was allocated over the window against what the rules wanted meanwhile, at the profile's prices; below zero is saved. The rules at their defaults may miss more" },
  { title: "Allocation", sort: "replicas", hint: "Replicas × CPU, memory" },
  { title: "Version", className: "number" },
  { title: "Last decision", className: "number", sort: "updated" },
];

/** The view of `#/`: `load(signal)` reads what `show(data)` then draws. */
export class ListView {
  title = "aware";
  root = element("section", { class: "list" });
  #text = "";
  #filter = FILTERS[0];
  #order = { key: "attention", descending: true };
  #start = 0;
  #parts = null;
  #lastLook = null;
  #reload;

  /** `reload()` asks for a refresh at once. */
  constructor(reload) { this.#reload = reload; }

  async load(signal) {
    const order = this.#order;
    const parts = [`limit=${ROWS}`, `sort=${order.key}`, `order=${order.descending ? "desc" : "asc"}`,
      `cursor=${this.#start}`, this.#filter.query, this.#text && `q=${encodeURIComponent(this.#text)}`];
    const [page, server] = await Promise.all([
      read(`/v1/applications?${parts.filter(Boolean).join("&")}`, signal), read("/v1/server", signal)]);
    page.server = server;
    // What stood here may have gone: back to the first page that has rows.
    if (page.items.length === 0 && this.#start > 0) {
      this.#start = 0;
      return this.load(signal);
    }
    return page;
  }

  show(data) {
    if (data.counts.all === 0 && this.#text === "") {
      this.#parts = null;
      refresh(this.root, "empty", emptyState);
      return;
    }
    if (!this.#parts) this.#build();
    this.#draw(data);
  }

  #build() {
    let timer = null;
    const search = element("input", {
      type: "search", placeholder: "Search by name", "aria-label": "Search applications", "data-key": "search",
      autocomplete: "off", spellcheck: "false", maxlength: "253",
      oninput: (event) => {
        this.#text = event.target.value.trim().toLowerCase();
        clearTimeout(timer);
        timer = setTimeout(() => this.#again(), SEARCH_DELAY_MS);
      },
    });
    search.value = this.#text;
    const filters = FILTERS.map((filter) => element("button", {
      type: "button", class: "chip", onclick: () => { this.#filter = filter; this.#again(); },
    }));
    const body = table("Applications", COLUMNS.map((column) => this.#heading(column)), [], "cards applications");
    this.#parts = { filters, body, health: element("p", { class: "health", role: "status" }),
      pages: element("nav", { class: "pages", "aria-label": "Pages" }) };
    refresh(this.root, "list", () => [
      element("h1", { class: "unseen" }, "Applications"), this.#parts.health,
      element("div", { class: "tools" }, search,
        element("div", { class: "chips", role: "group", "aria-label": "Filter" }, filters)),
      element("div", { class: "card flush" }, body), this.#parts.pages,
    ]);
  }

  /** Decisions a second since the last look, to one digit; null at the first. */
  #rate(server) {
    const now = performance.now();
    const before = this.#lastLook;
    this.#lastLook = { at: now, decisions: server?.decisions ?? 0 };
    if (!before || !server || server.decisions < before.decisions) return null;
    return Math.round((server.decisions - before.decisions) / ((now - before.at) / 1000) * 10) / 10;
  }

  #again() {
    this.#start = 0;
    this.#reload();
  }

  #heading(column) {
    if (!column.sort) return { ...column, sort: null };
    const button = element("button", { type: "button", onclick: () => {
      const again = this.#order.key === column.sort;
      this.#order = { key: column.sort, descending: again ? !this.#order.descending : false };
      this.#again();
    } }, column.title);
    return { ...column, sort: null, header: button };
  }

  #draw(data) {
    const { filters, body, health, pages } = this.#parts;
    const rate = this.#rate(data.server);
    refresh(health, [data.counts, rate, data.server?.trainingBacklog, bytes(data.server?.databaseBytes), bytes(data.server?.diskFreeBytes)],
      () => [...healthLine(data.counts), serverLine(data.server, rate)]);
    FILTERS.forEach((filter, i) => {
      const number = data.counts[filter.count];
      filters[i].setAttribute("aria-pressed", String(filter === this.#filter));
      filters[i].classList.toggle("alert", Boolean(filter.alert) && number > 0);
      refresh(filters[i], number, () => [filter.title, " ", element("b", {}, count(number))]);
    });
    [...body.tHead.rows[0].cells].forEach((cell, i) => {
      if (COLUMNS[i].sort === this.#order.key) {
        cell.setAttribute("aria-sort", this.#order.descending ? "descending" : "ascending");
      } else cell.removeAttribute("aria-sort");
    });
    reconcile(body.tBodies[0], data.items, (item) => item.name, applicationRow);
    refresh(pages, [this.#start, data.items.length, data.total, this.#filter.title, this.#text], () =>
      this.#pageButtons(data));
  }

  #pageButtons({ items, total }) {
    if (total === 0) return [element("span", {}, "Nothing matches. Clear the search or choose All.")];
    const go = (title, start, enabled) => element("button", { type: "button", class: "plain", "data-key": title,
      disabled: !enabled, onclick: () => { this.#start = start; this.#reload(); } }, title);
    const end = this.#start + items.length;
    const text = element("span", {}, `${count(this.#start + 1)} to ${count(end)} of ${count(total)}`);
    if (total <= ROWS) return [text];
    return [go("Previous", Math.max(0, this.#start - ROWS), this.#start > 0), text, go("Next", end, end < total)];
  }
}

/** One sentence on all of them, the worst first. */
function healthLine(counts) {
  const bad = [
    counts.hold && `${count(counts.hold)} held`, counts.alarm && plural(counts.alarm, "alarm"),
    counts.missing && `${count(counts.missing)} missing ${counts.missing === 1 ? "its objective" : "their objectives"}`,
    counts.worse && `${count(counts.worse)} clearly below the rules`,
  ].filter(Boolean);
  const who = `${plural(counts.all, "application")}: the policy acts for ${count(counts.policy)}, the rules for `
    + `${count(counts.rules)}${counts.pin ? `, ${count(counts.pin)} pinned` : ""}`;
  const more = counts.overridden ? ` Somebody overrides ${count(counts.overridden)}.` : "";
  return [element("strong", { class: bad.length > 0 ? "bad" : "good" },
    bad.length > 0 ? `Needs a look: ${bad.join(", ")}.` : "All quiet."), ` ${who}.${more}`];
}

/** The server's own state: decisions a second, what waits for training, and room on the disk. */
function serverLine(server, rate) {
  if (!server) return null;
  const facts = [
    isNumber(rate) && `${fixed(rate, 1)} decisions/s`,
    server.trainingBacklog > 0 && `${plural(server.trainingBacklog, "application")} waiting for training`,
    `${bytes(server.databaseBytes)} stored`, isNumber(server.diskFreeBytes) && `${bytes(server.diskFreeBytes)} free`,
  ];
  return element("small", { class: "server" }, ` ${facts.filter(Boolean).join(", ")}.`);
}

function applicationRow(item) {
  const window = item.window ?? {};
  const href = `#/app/${encodeURIComponent(item.name)}`;
  const chips = (item.overrides ?? []).map(overrideChip);
  if (window.alarm) chips.unshift(element("span", { class: "badge alarm" }, `Alarm: ${window.alarm}`));
  const cells = [
    [element("a", { href, title: item.name, "data-key": `app ${item.name}` }, item.name),
      element("small", {}, objectiveText(item.objective)), chips],
    stageBadge(item.stage), sourceBadge(item.source),
    element("span", { class: "figures" }, sparkline(window.rewards ?? [], `Rewards of the last episodes`),
      isNumber(window.reward) ? fixed(window.reward) : element("span", { class: "soft" }, NONE)),
    comparison(window, whyNone(item)), [violationsText(window), killsBadge(window)], billText(window),
    [item.replicas === undefined ? NONE : allocationShort(item),
      item.atLimit ? element("span", { class: "badge limit", title: "As many replicas as the profile allows" }, "at limit") : null],
    item.modelVersion > 0 ? `v${item.modelVersion}` : NONE, timeNode(item.updated),
  ];
  const attention = item.source === "hold" || window.alarm || direction(window) === "worse";
  return row(COLUMNS, cells, attention ? "attention" : null);
}

/** Containers killed for memory within the window, where there were any. */
function killsBadge({ oomKills } = {}) {
  return oomKills > 0 ? element("span", { class: "badge alarm", title: "Containers killed for memory within the window" },
    plural(oomKills, "OOM kill")) : null;
}

/** What was allocated against what the rules wanted meanwhile: "−12 %". */
export function billText({ bill, rulesBill } = {}) {
  if (!isNumber(bill) || !isNumber(rulesBill) || rulesBill <= 0) return element("span", { class: "soft" }, NONE);
  const share = Math.round((bill / rulesBill - 1) * 100);
  return element("span", { class: `gain ${share < 0 ? "better" : share > 0 ? "worse" : "even"}`,
    title: `${fixed(bill, 2)} an hour, the rules wanted ${fixed(rulesBill, 2)}` }, `${signed(share, 0)} %`);
}

/** The share of missed steps, marked when it is more than allowed. */
export function violationsText({ violations, maxViolations } = {}) {
  if (!(violations > maxViolations)) return percent(violations, 1);
  return element("strong", { class: "bad", title: `At most ${percent(maxViolations, 1)} is allowed` },
    element("span", { "aria-hidden": "true" }, "! "), percent(violations, 1),
    element("span", { class: "unseen" }, `, at most ${percent(maxViolations, 1)} is allowed`));
}

/** "p99 <= 2.0468013 s" with the digits that mean something. */
export function objectiveText(objective) {
  return String(objective ?? "").replace(/\d+\.\d+/g, (digits) => String(Number(Number(digits).toPrecision(3))))
    .replace("<=", "≤").replace(">=", "≥");
}
