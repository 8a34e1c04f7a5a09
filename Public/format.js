// Turns figures, times and identifiers into text; every function takes null, and says so with a dash.

export const NONE = "–";

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with a fixed count of decimals. */
export function fixed(value, decimals = 3) {
  return isNumber(value) ? value.toFixed(decimals).replace("-", "−") : NONE;
}

/** A count with thousands apart: 12,345. */
export function count(value) {
  return isNumber(value) ? value.toLocaleString("en") : NONE;
}

/** A difference, always with its sign: +0.062. */
export function signed(value, decimals = 3) {
  if (!isNumber(value)) return NONE;
  const text = fixed(Math.abs(value), decimals);
  if (Number(text) === 0) return `±${text}`;
  return (value < 0 ? "−" : "+") + text;
}

/** A share of one as a percentage. */
export function percent(share, decimals = 0) {
  return isNumber(share) ? `${fixed(share * 100, decimals)} %` : NONE;
}

/** `count` and the noun in the right number. */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** CPU as in Kubernetes; a plain number is cores. */
export function cpu(value) {
  if (isNumber(value)) return `${Math.round(value * 1000)}m`;
  return typeof value === "string" ? value : NONE;
}

/** Memory as in Kubernetes; a plain number is bytes. */
export function memory(value) {
  if (isNumber(value)) return `${Math.round(value / 2 ** 20)}Mi`;
  return typeof value === "string" ? value : NONE;
}

/** Bytes for people: "1.4 GB". */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const unit = value >= 1e12 ? ["TB", 1e12] : value >= 1e9 ? ["GB", 1e9] : value >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  const shown = value / unit[1];
  return `${shown >= 100 ? Math.round(shown) : Number(shown.toPrecision(2))} ${unit[0]}`;
}

/** "LatencyAboveSLO" and "max-step_up" in words: "Latency above SLO", "Max step up". */
export function words(identifier) {
  if (typeof identifier !== "string" || identifier === "") return NONE;
  if (/\s/.test(identifier)) return identifier;
  const parts = identifier.replace(/[-_.]+/g, " ").replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2").split(" ").filter(Boolean);
  const lower = parts.map((part) => (/^[A-Z]{2,}$/.test(part) ? part : part.toLowerCase()));
  const text = lower.join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Milliseconds since 1970 of an RFC 3339 time, or null. */
export function parseTime(text) {
  const time = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? null : time;
}

/** "2026-11-21 01:20:00 UTC" */
export function fullTime(text) {
  const time = parseTime(text);
  return time === null ? NONE : new Date(time).toISOString().slice(0, 19).replace("T", " ") + " UTC";
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_CLOCK = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** The clock alone for today, the day before it otherwise, in the viewer's zone. */
export function localTime(time, now = Date.now()) {
  const isToday = new Date(time).toDateString() === new Date(now).toDateString();
  return (isToday ? CLOCK : DAY_CLOCK).format(time);
}

/** The same of an RFC 3339 text. */
export function shortTime(text) {
  const time = parseTime(text);
  return time === null ? NONE : localTime(time);
}

/** "12 s ago", "in 3 min". */
export function relativeTime(time, now = Date.now()) {
  if (time === null) return "never";
  const seconds = Math.round(Math.abs(now - time) / 1000);
  if (seconds < 2) return "just now";
  const [value, unit] = seconds < 90 ? [seconds, "s"]
    : seconds < 5400 ? [Math.round(seconds / 60), "min"]
      : seconds < 172800 ? [Math.round(seconds / 3600), "h"] : [Math.round(seconds / 86400), "days"];
  return time > now ? `in ${value} ${unit}` : `${value} ${unit} ago`;
}
