// Starts the page: picks the view of the hash route, refreshes it every three seconds, says when the server is away.

import { notReady, read, setToken } from "./api.js";
import { ApplicationView } from "./application.js";
import { element, refresh } from "./dom.js";
import { relativeTime } from "./format.js";
import { ListView } from "./list.js";
import { controlPanel } from "./control.js";
import { overrideBanner } from "./overrides.js";
import { listen } from "./live.js";
import { Poller } from "./poller.js";
import { simulate, tick } from "./time.js";

const main = document.getElementById("main");
const banner = document.getElementById("banner");
const live = document.getElementById("live");
const notices = document.getElementById("notices");
document.getElementById("global-control").append(controlPanel(null, () => poller.now()));

const list = new ListView(() => poller.now());
const state = { view: list, lastSuccess: null, error: null, nextAttempt: 0, warning: null };
const poller = new Poller(refreshView, report);

/** One refresh of the current view; readiness is asked for beside it. */
async function refreshView(signal) {
  const view = state.view;
  const [data, warning, killSwitch] = await Promise.all([
    view.load(signal), notReady(signal), read("/v1/killswitch", signal)]);
  if (signal.aborted) return;
  const clock = data.clock ?? data.application?.clock;
  if (clock !== undefined) state.isSimulated = clock === "observed";
  simulate(state.isSimulated === true);
  refresh(notices, [killSwitch, state.isSimulated], () => [
    killSwitch.on ? overrideBanner({ ...killSwitch, kind: "killSwitch", until: null }) : null,
    state.isSimulated ? element("p", { class: "simulated" }, element("strong", {}, "Simulated time. "),
      "The clock of these figures is that of the observations, not the wall's.") : null,
  ]);
  state.warning = warning;
  state.lastSuccess = Date.now();
  main.classList.remove("waiting");
  view.show(data);
  mount(view.root);
}

function report({ error, nextAttempt }) {
  Object.assign(state, { error, nextAttempt });
  if (error && error.name !== "Error" && error.status === undefined) console.error(error);
  drawState();
}

function mount(root) {
  if (main.firstElementChild !== root || main.childElementCount > 1) main.replaceChildren(root);
}

/** `#/app/NAME` is one application (`?from=12&to=40`, `?decision=ID` say more), anything else the list. */
function route() {
  const match = /^#\/app\/([^?]+)(?:\?(.*))?$/.exec(location.hash);
  let name = null;
  try {
    name = match && decodeURIComponent(match[1]);
  } catch {
    location.replace("#/");
    return;
  }
  const link = new URLSearchParams(match?.[2] ?? "");
  if (name !== null && state.view.name === name) {
    state.view.follow(link);
    poller.now();
    return;
  }
  state.view = name === null ? list : new ApplicationView(name, () => poller.now(), link);
  state.lastSuccess = null;
  document.title = state.view.title;
  const drawnBefore = name === null && list.root.hasChildNodes();
  mount(drawnBefore ? list.root : element("p", { class: "soft loading" }, "Loading …"));
  scrollTo(0, 0);
  poller.now();
}

/** The line at the top right and the banner below it. */
function drawState() {
  const { error, lastSuccess, warning, view } = state;
  const kind = error ? "away" : warning ? "warning" : lastSuccess ? "good" : "idle";
  live.className = `live ${kind}`;
  live.textContent = error ? trouble(error) : lastSuccess ? `Live, ${relativeTime(lastSuccess)}` : "Connecting";
  document.title = (error ? "⚠ " : "") + view.title;
  main.classList.toggle("stale", Boolean(error) && lastSuccess !== null);
  if (error && lastSuccess === null) main.querySelector(".loading")?.replaceChildren("No figures yet.");
  const message = error ? error.message : warning;
  refresh(banner, [kind, message, lastSuccess === null, error?.status ?? null], () => {
    if (error) return errorBanner(error, lastSuccess);
    return warning ? element("p", { class: "wide" }, `The server answers but is not ready: ${warning}`) : [];
  });
  banner.className = error ? "away" : warning ? "warning" : "";
  drawCountdown();
}

/** The trouble in two words, for the line at the top. */
function trouble(error) {
  if (error.status === null) return "Not connected";
  return error.status === 401 || error.status === 403 ? "No access" : "Server error";
}

function errorBanner(error, lastSuccess) {
  const since = lastSuccess === null ? ""
    : ` These figures are from ${new Date(lastSuccess).toISOString().slice(11, 19)} UTC.`;
  return element("div", { class: "wide" },
    element("p", {}, element("strong", {}, error.message), since, " ",
      element("span", { id: "countdown", "aria-live": "off" })),
    error.status === 401 ? tokenForm() : element("button", {
      type: "button", class: "plain", "data-key": "retry", onclick: () => poller.now() }, "Try now"));
}

/** Away from loopback the API wants a bearer token; it stays in this tab and is sent nowhere else. */
function tokenForm() {
  const field = element("input", { type: "password", "aria-label": "Token with scope read", placeholder: "Token",
    autocomplete: "off", "data-key": "token" });
  return element("form", { onsubmit: (event) => {
    event.preventDefault();
    setToken(field.value.trim());
    poller.now();
  } }, field, element("button", { class: "plain" }, "Use token"));
}

function drawCountdown() {
  const node = document.getElementById("countdown");
  if (node && state.error?.status === 401) {
    node.textContent = "Give one to go on.";
    return;
  }
  const seconds = Math.ceil((state.nextAttempt - Date.now()) / 1000);
  if (node) node.textContent = seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again …";
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = main.querySelector("input[type=search]");
  if (!search || document.activeElement === search) return;
  event.preventDefault();
  search.focus();
});
setInterval(() => { tick(); drawState(); }, 1000);
addEventListener("hashchange", route);
state.view = { title: "aware" };
route();
listen(() => { if (!document.hidden && !state.error) poller.now(); });
