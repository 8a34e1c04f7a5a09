// One application: what it is doing and why, its rewards over time, its decisions, stage changes and model versions.

import { applicationPath, read } from "./api.js";
import { Chart } from "./chart.js";
import { comparison, whyNone } from "./compare.js";
import { controlPanel } from "./control.js";
import { element, refresh, row, table } from "./dom.js";
import { eventItem } from "./events.js";
import {
  allocationShort, changeText, explanation, headline, sourceBadge, stageBadge, verdict,
} from "./explain.js";
import { billText, objectiveText, violationsText } from "./list.js";
import { overrideBanner } from "./overrides.js";
import { Steps } from "./steps.js";
import { count, cpu, fixed, isNumber, memory, NONE, percent, words } from "./format.js";
import { clockNode, timeNode } from "./time.js";

const DECISIONS = 20;
const DECISIONS_MAX = 1000;
const EVENTS = 30;
/** Kinds of events that the chart marks beside changes of stage. */
const MARKED = ["control", "promotion", "import", "alarm"];

const DECISION_COLUMNS = [
  { title: "Time" }, { title: "By" }, { title: "Reason" }, { title: "Change" },
  { title: "Result", hint: "Replicas × CPU, memory" },
  { title: "Guards", className: "number" }, { title: "Reward", className: "number" },
];
const MODEL_COLUMNS = [
  { title: "Version" }, { title: "Created" }, { title: "Algorithm" },
  { title: "Episodes", className: "number", hint: "Episodes seen in all, and those this version was trained on" },
  { title: "Reward", className: "number" },
  { title: "Judged", className: "number", hint: "What the gate found: reward less the rules' on the same replayed load, and its standard error" },
  { title: "KL", className: "number", hint: "Approximate KL divergence from the version before" },
  { title: "Clipped", className: "number", hint: "Share of samples whose update was clipped" },
  { title: "Entropy", className: "number", hint: "How undecided the policy is, in nats" },
  { title: "Explained", className: "number", hint: "Share of the returns' variance that the value network explains" },
];

/** The view of `#/app/NAME`. */
export class ApplicationView {
  root = element("article", { class: "application" });
  #chart;
  #linked = null;
  #steps = new Steps();
  #parts = {};
  #decisions = { items: [], cursor: null, expanded: false };
  #open = new Set();

  /** `reload()` asks for a refresh at once. */
  constructor(name, reload, link) {
    this.name = name;
    this.#chart = new Chart((range) => this.#keep(range));
    this.follow(link);
    this.title = `${name} · aware`;
    for (const key of ["head", "linked", "decision", "recent", "chart", "events", "history", "models", "knowledge", "neighbours", "control", "profile"]) {
      this.#parts[key] = element("section", { class: key });
    }
    this.#parts.control.append(card("Control", controlPanel(name, reload)));
  }

  /** What the address asks for: `from` and `to` or `episode` for the chart, `decision` to be shown. */
  follow(link = new URLSearchParams()) {
    const number = (key) => (/^\d+$/.test(link.get(key) ?? "") ? Number(link.get(key)) : null);
    const [from, to] = [number("from") ?? number("episode"), number("to") ?? number("episode")];
    this.#chart.select(from !== null && to !== null && from <= to ? { from, to } : null);
    this.#linked = link.get("decision");
  }

  /** The range in the address, so that it can be sent to somebody. */
  #keep(range) {
    const query = range === null ? "" : `?from=${range.from}&to=${range.to}`;
    history.replaceState(null, "", `#/app/${encodeURIComponent(this.name)}${query}`);
  }

  /** The status must come; of the rest, what fails is reported in its own place. */
  async load(signal) {
    const path = (rest) => applicationPath(this.name, rest);
    const part = (rest) => read(path(rest), signal).catch((error) => {
      if (signal.aborted || error.status === null || error.status === undefined) throw error;
      return { failure: error.message };
    });
    const [application, rewards, decisions, models, series, events, neighbours, linked] = await Promise.all([
      read(path(""), signal).catch((error) => {
        if (error.status === 404) return null;
        throw error;
      }),
      part("/rewards?points=500"), part(`/decisions?limit=${DECISIONS}&observation=true`), part("/models?limit=20"),
      part("/series?steps=300"),
      read(`/v1/events?application=${encodeURIComponent(this.name)}&limit=${EVENTS}`, signal).catch((error) => ({ failure: error.message })),
      part("/neighbours?limit=5"),
      this.#linked === null ? null : part(`/decisions/${encodeURIComponent(this.#linked)}?observation=true`),
    ]);
    return { application, rewards, decisions, models, series, events, neighbours, linked };
  }

  show({ application, rewards, decisions, models, series, events, neighbours, linked }) {
    if (application === null) {
      refresh(this.root, "missing", () => missing(this.name));
      return;
    }
    refresh(this.root, "parts", () => [
      element("nav", { class: "crumbs", "aria-label": "Breadcrumb" },
        element("a", { href: "#/" }, "← All applications")),
      ...Object.values(this.#parts),
    ]);
    if (!decisions.failure) this.#merge(decisions);
    const status = application.status ?? {};
    refresh(this.#parts.head, application, () => head(this.name, application, status));
    refresh(this.#parts.linked, linked, () => (linked === null ? [] : card("The decision that was linked to",
      lastDecision(linked, linked.failure))));
    refresh(this.#parts.decision, [this.#decisions.items[0] ?? null, decisions.failure], () =>
      card("Last decision", lastDecision(this.#decisions.items[0], decisions.failure)));
    refresh(this.#parts.recent, series.failure ?? "steps", () => card("The last steps",
      series.failure ? failed(series.failure) : this.#steps.root));
    if (!series.failure) this.#steps.show(series, application.profile);
    this.#showRewards(rewards, application.profile, (events.items ?? []).filter(({ kind }) => MARKED.includes(kind)));
    refresh(this.#parts.knowledge, [application.knowledge ?? null, status.rules ?? null], () =>
      knowledgeCard(application.knowledge, status.rules));
    this.#showHistory(decisions.failure);
    refresh(this.#parts.events, events, () => card("What happened, newest first", events.failure ? failed(events.failure)
      : (events.items ?? []).length === 0 ? element("p", { class: "soft" }, "Nothing yet.")
        : element("ol", { class: "timeline" }, events.items.map(eventItem))));
    refresh(this.#parts.models, models, () => card("Model versions", modelTable(models, (version) => this.#rollBack(version))));
    const near = neighbours.failure ? [] : neighbours.items ?? [];
    refresh(this.#parts.neighbours, near, () => (near.length === 0 ? [] : card("Nearest workloads", neighbourList(near))));
    refresh(this.#parts.profile, application.profile ?? null, () => profileCard(application.profile));
  }

  /** The form asks for the reason; nothing happens before it is given. */
  #rollBack(version) {
    const form = this.#parts.control;
    const choice = form.querySelector("select");
    choice.value = "rollback";
    choice.dispatchEvent(new Event("change"));
    form.querySelector("[name=version]").value = version;
    form.scrollIntoView({ block: "center" });
    form.querySelector("[name=reason]").focus();
  }

  #showRewards(rewards, profile, marks) {
    const window = profile?.thresholds?.window;
    refresh(this.#parts.chart, rewards.failure ?? "chart", () => card("Reward, episode by episode",
      rewards.failure ? failed(rewards.failure) : this.#chart.root));
    if (!rewards.failure) this.#chart.show(rewards, Number.isInteger(window) && window > 0 ? window : 10, marks);
  }

  /** The newest page goes in front; older pages that were asked for stay while the two still overlap. */
  #merge(page) {
    const fresh = page.items ?? [];
    const ids = new Set(fresh.map((item) => item.id));
    const { items, expanded } = this.#decisions;
    const overlap = items.some((item) => ids.has(item.id));
    if (expanded && overlap && items.length < DECISIONS_MAX) {
      this.#decisions.items = [...fresh, ...items.filter((item) => !ids.has(item.id))];
    } else {
      this.#decisions = { items: fresh, cursor: page.nextCursor ?? null, expanded: false };
    }
  }

  #showHistory(failure) {
    const { items, cursor } = this.#decisions;
    refresh(this.#parts.history, [items, cursor, [...this.#open], failure], () => card("Decisions",
      failure ? failed(failure) : null,
      items.length === 0 ? element("p", { class: "soft" }, "None yet.")
        : table("Decisions, newest first", DECISION_COLUMNS, items.map((item) => this.#decisionRows(item)), "cards"),
      cursor && items.length < DECISIONS_MAX && element("p", {}, element("button", {
        type: "button", class: "plain", "data-key": "older", onclick: (event) => this.#older(event.currentTarget),
      }, "Show older"))));
  }

  /** A row, and under it the explanation once it is opened. */
  #decisionRows(decision) {
    const open = this.#open.has(decision.id);
    const toggle = element("button", {
      type: "button", class: "toggle", "aria-expanded": String(open), "data-key": `decision ${decision.id}`,
      title: "Explain this decision", onclick: () => {
        if (!this.#open.delete(decision.id)) this.#open.add(decision.id);
        this.#showHistory();
      },
    }, clockNode(decision.time));
    const guards = decision.explanation?.guards?.length ?? 0;
    const line = row(DECISION_COLUMNS, [
      toggle, [sourceBadge(decision.source), decision.exploring ? element("small", {}, " exploring") : null],
      words(decision.reason), changeText(decision), allocationShort(decision.desired),
      guards > 0 ? count(guards) : NONE, fixed(decision.reward),
    ]);
    if (!open) return [line];
    return [line, element("tr", { role: "row", class: "more" }, element("td", {
      role: "cell", colspan: DECISION_COLUMNS.length }, explanation(decision), element("p", {}, element("a", {
      href: `#/app/${encodeURIComponent(this.name)}?decision=${encodeURIComponent(decision.id)}` }, "Link to this decision"))))];
  }

  async #older(button) {
    button.disabled = true;
    const cursor = this.#decisions.cursor;
    try {
      const page = await read(applicationPath(this.name, `/decisions?limit=50&observation=true&cursor=${encodeURIComponent(cursor)}`));
      if (this.#decisions.cursor !== cursor) return;
      const ids = new Set(this.#decisions.items.map((item) => item.id));
      const items = [...this.#decisions.items, ...(page.items ?? []).filter((item) => !ids.has(item.id))];
      this.#decisions = { items, cursor: page.nextCursor ?? null, expanded: true };
      this.#showHistory();
    } catch (error) {
      button.textContent = `${error.message} Try again`;
    } finally {
      button.disabled = false;
    }
  }
}

function card(title, ...content) {
  return element("div", { class: "card" }, element("h2", {}, title), content);
}

function failed(message) {
  return element("p", { class: "failed" }, `Not available: ${message}`);
}

function missing(name) {
  return element("div", { class: "card empty" }, element("h1", {}, "No such application"),
    element("p", {}, "There is no application named ", element("code", {}, name), ". It may have been deleted."),
    element("p", {}, element("a", { href: "#/" }, "← All applications")));
}

/** Name, badges, a few sentences, and the figures one looks for first. */
function head(name, application, status) {
  const figure = (title, value, note) => element("div", {}, element("dt", {}, title), element("dd", {}, value,
    note ? element("small", {}, note) : null));
  return [
    element("h1", {}, name),
    element("p", { class: "badges" }, stageBadge(status.stage), sourceBadge(status.source),
      status.objective ? element("span", { class: "soft" }, `Objective: ${objectiveText(status.objective)}`) : null),
    (status.overrides ?? []).map(overrideBanner),
    status.window?.alarm ? element("p", { class: "override-banner" }, element("strong", {}, "Alarm. "),
      words(status.window.alarm)) : null,
    element("p", { class: "headline" }, headline(status)),
    element("dl", { class: "tiles" },
      figure("Reward", fixed(status.window?.reward), `mean of ${count(status.window?.episodes)} episodes`),
      figure("Against the rules", comparison(status.window ?? {}, whyNone(status)),
        isNumber(status.window?.difference) ? "± one standard error" : null),
      figure("Missed objective", violationsText(status.window), `of the steps, ${percent(status.window?.maxViolations, 1)} allowed`),
      figure("Bill against the rules", billText(status.window), isNumber(status.window?.bill) ? `${fixed(status.window.bill, 2)} an hour` : null),
      figure("OOM kills", isNumber(status.window?.oomKills) ? count(status.window.oomKills) : NONE, "in the same episodes"),
      figure("Replicas", isNumber(status.replicas) ? count(status.replicas) : NONE),
      figure("CPU", cpu(status.cpu), "each replica"), figure("Memory", memory(status.memory), "each replica"),
      figure("Episodes", count(status.episodes), `${count(status.decisions)} decisions`),
      figure("Model", status.modelVersion > 0 ? `v${status.modelVersion}` : "none"),
      figure("Last decision", timeNode(status.updated))),
  ];
}

function lastDecision(decision, failure) {
  if (failure) return failed(failure);
  if (!decision) return element("p", { class: "soft" }, "None yet.");
  return [
    element("p", { class: "verdict" }, sourceBadge(decision.source), " ", element("strong", {}, verdict(decision)),
      ` Reason: ${words(decision.reason)}. `, timeNode(decision.time)),
    explanation(decision),
  ];
}

/** What its history has told of the application, in sentences. */
function knowledgeCard(known, rules) {
  if (!known || Object.values(known).every((value) => value === null)) return [];
  const sentences = [
    rules?.calibrated && `The rules aim at ${percent(rules.cpuTarget)} of ${rules.cpu ?? "its"} CPU, memory ${percent(rules.memoryMargin)} above its use: calibrated.`,
    isNumber(rules?.thrift) && `The policy is told a thrift of ${fixed(rules.thrift)}, so that it keeps the bound on missed objectives and no more.`,
    isNumber(known.cpuSecondsPerRequest) && `A request takes ${Number((known.cpuSecondsPerRequest * 1000).toPrecision(3))} ms of CPU.`,
    isNumber(known.keptUtilization) && `The objective was kept lately up to ${percent(known.keptUtilization)} of the CPU`
      + (isNumber(known.missedUtilization) ? `, and missed from ${percent(known.missedUtilization)} on.` : "."),
    known.memoryNow && `A replica uses ${known.memoryNow} now, and ${known.memoryFull} with the most requests in flight that were seen.`,
    known.memoryFloor && `No memory limit goes below ${known.memoryFloor}.`,
  ];
  return card("What is known of it", element("ul", { class: "known" }, sentences.filter(Boolean).map((text) => element("li", {}, text))));
}

/** Known workloads whose trajectories are most alike: what was learned there may fit here. */
function neighbourList(items) {
  return element("ul", { class: "neighbours-list" }, items.map((item) => element("li", {},
    item.reference ? item.name : element("a", { href: `#/app/${encodeURIComponent(item.name)}` }, item.name),
    element("span", { class: "soft" }, ` likeness ${fixed(item.similarity, 2)}${item.reference ? ", a reference of the encoder" : ""}`))));
}

/** `rollBack(version)` prepares the form that puts a version on duty. */
function modelTable(models, rollBack) {
  if (models.failure) return failed(models.failure);
  const items = models.items ?? [];
  if (items.length === 0) {
    return element("p", { class: "soft" }, "None yet: the first is trained from recorded episodes.");
  }
  const rows = items.map((model) => {
    const { approximateKL, clipFraction, entropy, explainedVariance, judgedDifference, judgedError } =
      model.diagnostics ?? {};
    const judged = Number.isFinite(judgedDifference)
      ? [`${judgedDifference > 0 ? "+" : ""}${fixed(judgedDifference)}`, element("small", { class: "soft" }, ` ± ${fixed(judgedError)}`)]
      : NONE;
    return row(MODEL_COLUMNS, [
      [`v${model.version}`, model.acting ? element("span", { class: "badge acting" }, "acting") : element("button", {
        type: "button", class: "plain small", "data-key": `duty ${model.version}`, title: `Put version ${model.version} on duty`,
        onclick: () => rollBack(model.version) }, "Put on duty …")],
      clockNode(model.created), model.algorithm ?? NONE,
      [count(model.episodes), element("small", { class: "soft" }, ` ${count(model.episodesTrained)} new`)],
      fixed(model.reward), judged, fixed(approximateKL, 4), percent(clipFraction), fixed(entropy, 2),
      fixed(explainedVariance, 2),
    ], model.acting ? "current" : null);
  });
  return [
    table("Model versions, newest first", MODEL_COLUMNS, rows, "cards"),
    models.nextCursor ? element("p", { class: "soft" }, `The newest ${items.length} are shown.`) : null,
  ];
}

/** The profile, flattened to paths: `slo.latencySeconds 0.5`. */
function profileCard(profile) {
  const lines = [];
  const walk = (value, path) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(inner, path ? `${path}.${key}` : key);
    } else {
      const text = Array.isArray(value) ? value.join(", ") : String(value ?? "derived or none");
      lines.push([path, text]);
    }
  };
  walk(profile ?? {}, "");
  return element("details", { class: "card", "data-key": "profile" }, element("summary", {}, "Profile"),
    element("dl", { class: "profile-list" }, lines.map(([key, value]) =>
      element("div", {}, element("dt", {}, key), element("dd", {}, value)))));
}
