// Whatever overrides an agent, as chips and banners: what, who, since when, until when, and why.

import { element } from "./dom.js";
import { clockNode } from "./time.js";

const KINDS = {
  killSwitch: { name: "Kill switch", meaning: "The rules act for every application." },
  pin: { name: "Pinned", meaning: "The allocation is fixed by hand." },
  pause: { name: "Paused", meaning: "The allocation stays as it is." },
  freezeDown: { name: "Frozen down", meaning: "Nothing is taken away." },
  freezeUp: { name: "Frozen up", meaning: "Nothing is added." },
  stageHold: { name: "Stage held", meaning: "Figures do not move it to another stage." },
};

const kindOf = (override) => KINDS[override.kind] ?? { name: String(override.kind), meaning: "" };

/** The name alone, for a row of a table; the rest is read on hover and by screen readers. */
export function overrideChip(override) {
  const { name, meaning } = kindOf(override);
  const why = override.reason || "no reason is recorded";
  const text = `${meaning} By ${override.actor ?? "an unknown person"}: ${why}`;
  return element("span", { class: "badge override", title: text }, name,
    element("span", { class: "unseen" }, `. ${text}`));
}

/** A whole sentence, for the head of an application or of the page. */
export function overrideBanner(override) {
  const { name, meaning } = kindOf(override);
  return element("p", { class: "override-banner", "data-kind": override.kind },
    element("strong", {}, `${name}. `), `${meaning} By ${override.actor ?? "an unknown person"}`,
    override.since ? [" since ", clockNode(override.since)] : null,
    override.until ? [" until ", clockNode(override.until)] : " until it is taken back",
    `: ${override.reason || "no reason is recorded"}`);
}
