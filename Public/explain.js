// Says in sentences what an agent is doing and why: stages, who acts, and one decision step by step.

import { comparisonSentence } from "./compare.js";
import { element } from "./dom.js";
import { count, cpu, fixed, isNumber, memory, NONE, percent, plural, signed, words } from "./format.js";

export const STAGES = ["initialized", "offline", "online", "serving"];

const STAGE_MEANING = {
  initialized: "Nothing learned yet: the rules act and the first episodes are recorded.",
  offline: "Bootstrapping: the rules act while the agent learns from recorded episodes.",
  online: "Learning while acting: the policy explores inside the guards and trains after each episode.",
  serving: "Trained: the policy acts without exploring, and a detector watches its reward.",
};

/** Said instead where the policy would act by its stage but does not. */
const STAGE_WITHOUT_POLICY = {
  online: "The agent is learning (stage online), but its policy does not act now.",
  serving: "The agent is trained (stage serving), but its policy does not act now.",
};

const SOURCE_NAME = { policy: "policy", rules: "rules", hold: "hold", pin: "pin" };

const SOURCE_MEANING = {
  policy: "The learned policy acts.",
  rules: "The rules (HPA and VPA) act.",
  hold: "Holding: the allocation stays as it is, because the data cannot be trusted or somebody paused it.",
  pin: "Pinned: somebody fixed the allocation by hand.",
};

const GUARD_MEANING = {
  badData: "the observation cannot be trusted",
  staleData: "the observation is too old",
  stale: "the observation is too old",
  limits: "the limits of the profile",
  maxStep: "the largest change allowed at once",
  maxStepUp: "the largest step up allowed at once",
  maxStepDown: "the largest step down allowed at once",
  stabilization: "scaling down waits until the load has stayed low",
  stabilisation: "scaling down waits until the load has stayed low",
  stabilizationDown: "scaling down waits until the load has stayed low",
  reversals: "too many reversals within the hour",
  reversalBudget: "too many reversals within the hour",
  capacity: "the total capacity is used up",
  totalCapacity: "the total capacity is used up",
  pin: "pinned by hand",
  pause: "paused by hand",
  freezeDown: "scaling down is frozen by hand",
  freezeUp: "scaling up is frozen by hand",
};

/** A pill with the stage: how far along the four stages, then its name. */
export function stageBadge(stage) {
  const reached = STAGES.indexOf(stage);
  const steps = STAGES.map((_, i) => element("i", { class: i <= reached ? "on" : null }));
  return element("span", { class: `badge stage ${known(stage, STAGES)}`, title: STAGE_MEANING[stage] },
    element("span", { class: "steps", "aria-hidden": "true" }, steps), stage ?? "unknown");
}

/** A pill with who acts; the mark in front differs in shape as well as in colour. */
export function sourceBadge(source) {
  if (source === null || source === undefined) {
    return element("span", { class: "badge source", title: "No decision yet." }, "nobody yet");
  }
  return element("span", {
    class: `badge source ${known(source, Object.keys(SOURCE_NAME))}`, title: SOURCE_MEANING[source],
  }, element("i", { "aria-hidden": "true" }), SOURCE_NAME[source] ?? source);
}

/** Class names come from a fixed list, never from the server. */
const known = (value, list) => (list.includes(value) ? value : "unknown");

/** Two or three sentences: stage, who acts, and how that compares with the rules. */
export function headline(status) {
  if (!status.decisions) return "No decision yet. The first observation that arrives is answered by the rules.";
  const stage = (status.source === "policy" ? null : STAGE_WITHOUT_POLICY[status.stage]) ?? STAGE_MEANING[status.stage];
  const sentences = [stage, actingSentence(status)];
  sentences.push(comparisonSentence(status));
  return sentences.filter(Boolean).join(" ");
}

function actingSentence(status) {
  if (status.source === "policy" && status.modelVersion > 0) {
    return `Version ${status.modelVersion} of the learned policy acts.`;
  }
  // The stages in which the rules act say so themselves.
  if (status.source === "rules" && ["initialized", "offline"].includes(status.stage)) return null;
  return SOURCE_MEANING[status.source] ?? null;
}

/** What a decision adds: "+2 replicas, +128m cpu", or "no change". */
export function changeText(decision) {
  const parts = [];
  if (decision.horizontal) parts.push(`${signed(decision.horizontal, 0)} ${plain(decision.horizontal, "replica")}`);
  const millicores = decision.vertical?.cpuMillicores;
  if (millicores) parts.push(`${signed(millicores, 0)}m cpu`);
  const bytes = decision.vertical?.memoryBytes;
  if (bytes) parts.push(`${signed(bytes / 2 ** 20, 0)}Mi memory`);
  return parts.length > 0 ? parts.join(", ") : "no change";
}

const plain = (number, noun) => (Math.abs(number) === 1 ? noun : `${noun}s`);

/** "6 replicas, 640m cpu, 512Mi memory" with whatever of it is there. */
export function allocationText(allocation) {
  if (allocation === null || allocation === undefined) return NONE;
  const parts = [];
  if (isNumber(allocation.replicas)) parts.push(plural(allocation.replicas, "replica"));
  if (allocation.cpu !== null && allocation.cpu !== undefined) parts.push(`${cpu(allocation.cpu)} cpu`);
  if (allocation.memory !== null && allocation.memory !== undefined) parts.push(`${memory(allocation.memory)} memory`);
  return parts.length > 0 ? parts.join(", ") : NONE;
}

/** The same for a table, "6 × 640m, 512Mi". */
export function allocationShort(allocation) {
  if (allocation === null || allocation === undefined) return NONE;
  return `${count(allocation.replicas)} × ${cpu(allocation.cpu)}, ${memory(allocation.memory)}`;
}

/** Whatever a guard put in `before` and `after`: a number, a quantity, an allocation. */
function valueText(value) {
  if (value === null || value === undefined) return NONE;
  if (typeof value !== "object") return String(value);
  const text = allocationText(value);
  return text === NONE ? JSON.stringify(value) : text;
}

/** The path of a decision as an ordered list: policy, rules, every guard, result, warnings. */
export function explanation(decision) {
  const { policy, rules, guards, warnings } = decision.explanation ?? {};
  const steps = [seenStep(decision.observation), policyStep(policy, decision), rulesStep(rules)];
  for (const guard of Array.isArray(guards) ? guards : []) steps.push(guardStep(guard));
  if (steps.length === 3) steps.push(step("guard", "Guards", "none changed it"));
  steps.push(step("result", "Answer", element("strong", {}, allocationText(decision.desired)),
    ` (${changeText(decision)})`));
  for (const warning of Array.isArray(warnings) ? warnings : []) {
    steps.push(step("warning", "Warning", typeof warning === "string" ? warning : JSON.stringify(warning)));
  }
  return element("ol", { class: "steps-list" }, steps);
}

function step(kind, title, ...content) {
  return element("li", { class: kind }, element("b", {}, title), element("span", {}, content));
}

/** What was observed, in words. */
function seenStep(seen) {
  if (seen === null || seen === undefined) return step("seen", "Seen", "not recorded");
  const facts = [
    plural(seen.replicas, "replica") + (isNumber(seen.readyReplicas) && seen.readyReplicas !== seen.replicas
      ? ` of which ${count(seen.readyReplicas)} ready` : ""),
    isNumber(seen.requestRate) && `${fixed(seen.requestRate, 1)} requests/s`,
    isNumber(seen.latencySeconds) && `latency ${Number(seen.latencySeconds.toPrecision(3))} s`,
    isNumber(seen.cpuUtilization) && `${percent(seen.cpuUtilization)} of the cpu used`,
    isNumber(seen.memoryPeakUtilization) ? `the highest replica used ${percent(seen.memoryPeakUtilization)} of its memory`
      : isNumber(seen.memoryUtilization) && `${percent(seen.memoryUtilization)} of the memory used`,
    seen.oomKills > 0 && plural(seen.oomKills, "OOM kill"),
  ];
  return step("seen", "Seen", facts.filter(Boolean).join(", "));
}

function policyStep(policy, decision) {
  if (policy === null || policy === undefined) return step("policy", "Policy", "had no say in this decision");
  const certainty = [];
  if (isNumber(policy.probability)) certainty.push(`probability ${percent(policy.probability)}`);
  if (isNumber(policy.value)) certainty.push(`expects a return of ${fixed(policy.value, 1)}`);
  const version = decision.modelVersion > 0 ? `version ${decision.modelVersion}` : null;
  const notes = [version, ...certainty, decision.exploring ? "exploring" : null].filter(Boolean).join(", ");
  return step("policy", "Policy", "wanted ", element("strong", {}, allocationText(policy)), notes && ` (${notes})`);
}

function rulesStep(rules) {
  if (rules === null || rules === undefined) return step("rules", "Rules", "were not computed");
  return step("rules", "Rules", "HPA and VPA would set ", element("strong", {}, allocationText(rules)));
}

function guardStep(guard) {
  const meaning = GUARD_MEANING[guard?.rule];
  return step("guard", "Guard", `${words(guard?.rule)} `,
    element("strong", {}, valueText(guard?.before), " → ", valueText(guard?.after)),
    meaning ? ` (${meaning})` : null);
}

/** One sentence on who decided, and the reason given. */
export function verdict(decision) {
  const who = {
    policy: decision.exploring ? "The policy, exploring," : "The policy", rules: "The rules", hold: "The hold",
    pin: "The pin",
  }[decision.source] ?? words(decision.source);
  const changed = changeText(decision);
  return `${who} ${changed === "no change" ? "kept everything as it is" : `decided on ${changed}`}.`;
}
