// Times on the page: relative ones that stay current by themselves, with the full UTC time behind them.

import { element } from "./dom.js";
import { fullTime, parseTime, relativeTime, shortTime } from "./format.js";

let isSimulated = false;

/** Under a simulated clock "12 s ago" would be a lie: the time itself is shown. */
export function simulate(on) {
  isSimulated = on;
}

/** "12 s ago"; `tick()` keeps it true. */
export function timeNode(text) {
  const time = parseTime(text);
  if (time === null) return element("span", { class: "soft" }, "never");
  if (isSimulated) return clockNode(text);
  return element("time", { datetime: new Date(time).toISOString(), title: fullTime(text), "data-relative": true },
    relativeTime(time));
}

/** The clock time in the viewer's zone, the day too unless it is today; UTC on hover. */
export function clockNode(text) {
  const time = parseTime(text);
  if (time === null) return element("span", { class: "soft" }, "–");
  return element("time", { datetime: new Date(time).toISOString(), title: fullTime(text) }, shortTime(text));
}

/** Brings every relative time on the page up to date. */
export function tick() {
  for (const node of document.querySelectorAll("time[data-relative]")) {
    const text = relativeTime(Date.parse(node.dateTime));
    if (node.textContent !== text) node.textContent = text;
  }
}
