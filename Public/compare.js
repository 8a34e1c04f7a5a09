// Policy against rules: a mean over the window with its error, said with no more certainty than there is.

import { element } from "./dom.js";
import { isNumber, plural, signed } from "./format.js";

/** Standard errors from which on a difference is called one. */
const ERRORS = 2;

/** `better`, `worse`, `even`, or null when there is nothing to compare. */
export function direction({ difference, standardError } = {}) {
  if (!isNumber(difference) || !isNumber(standardError)) return null;
  if (Math.abs(difference) <= ERRORS * standardError) return "even";
  return difference > 0 ? "better" : "worse";
}

const MARK = { better: "▲", worse: "▼", even: "≈" };
const WORD = { better: "better than the rules", worse: "worse than the rules", even: "no clear difference" };

/** "▲ +0.021 ± 0.008"; the mark says it to those who see no colour, the hidden words to those who see nothing. */
export function comparison(window, reasonWhenNone) {
  const result = direction(window);
  if (result === null) return element("span", { class: "soft", title: reasonWhenNone }, "not compared");
  return element("span", { class: `gain ${result}`, title: `${WORD[result]}; ± is one standard error` },
    element("span", { "aria-hidden": "true" }, MARK[result]), " ", signed(window.difference),
    element("small", {}, ` ± ${window.standardError.toFixed(3)}`),
    element("span", { class: "unseen" }, `, ${WORD[result]}`));
}

/** Why there is no comparison now, in words. */
export function whyNone(status) {
  if (status.source !== "policy") return "The policy does not act now, so it is not compared with the rules.";
  if ((status.overrides ?? []).length > 0) return "Somebody overrides the policy, so it is not compared.";
  const { policyEpisodes = 0, rulesEpisodes = 0 } = status.window ?? {};
  return `Too few recent episodes to compare: ${policyEpisodes} by the policy, ${rulesEpisodes} by the rules; `
    + "three of each are needed.";
}

/** The same as a sentence. */
export function comparisonSentence(status) {
  const result = direction(status.window);
  if (result === null) return whyNone(status);
  const { difference, standardError, policyEpisodes, rulesEpisodes } = status.window;
  const basis = `${signed(difference)} ± ${standardError.toFixed(3)} in mean step reward, over the last `
    + `${plural(policyEpisodes, "episode")} by the policy and ${rulesEpisodes} by the rules`;
  if (result === "even") return `No clear difference from the rules: ${basis}.`;
  return `The policy earns ${result === "better" ? "more" : "less"} than the rules: ${basis}.`;
}
