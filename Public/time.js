// Times on the page: relative ones that stay current by themselves, with the full UTC time behind them.

import { element } from "./dom.js";
import { fullTime, parseTime, relativeTime, shortTime } from "./format.js";

/** "12 s ago"; `tick()` keeps it true. */
export function timeNode(text) {
  const time = parseTime(text);
  if (time === null) return element("span", { class: "soft" }, "never");
  return element("time", { datetime: new Date(time).toISOString(), title: fullTime(text), "data-relative": true },
    relativeTime(time));
}

/** The clock time in UTC, the date too unless it is today. */
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
