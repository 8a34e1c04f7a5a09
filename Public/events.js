// What happened to an application, in sentences with their figures.

import { element } from "./dom.js";
import { stageBadge } from "./explain.js";
import { count, fixed, isNumber, words } from "./format.js";
import { timeNode } from "./time.js";

const REASONS = {
  Bootstrap: "It began: the rules act and are recorded.",
  BootstrapDisabled: "It began without bootstrapping: what there is acts and explores.",
  CandidateReady: "A candidate was judged on the recorded load and may act.",
  Trial: "A candidate could not be judged from the metrics: it is tried.",
  AboveThreshold: "The policy's rewards are above the threshold that the profile sets.",
  BeatsRules: "The policy's measured episodes beat the rules'.",
  CandidateBeatsRules: "The candidate beat the rules on the same replayed load.",
  BelowThreshold: "The policy's rewards fell below the threshold that the profile sets.",
  RewardDropped: "The reward fell by more than chance explains: it is trained again.",
  Unsteady: "The rewards vary more than the profile allows.",
  BelowRules: "The policy fell below the rules: they act.",
  SteadilyBelowRules: "The policy stayed below the rules: they act.",
  LosesToRules: "Episode by episode the policy did a little worse than the rules would have: they act.",
  JudgedBelowRules: "On the same replayed load the policy is below the rules: they act.",
  Forced: "An operator set the stage.",
  ConstantRewards: "Several episodes earned exactly the same: look at the metrics.",
  ConstantObservations: "No metric changed in a whole episode: look at the metrics.",
  BestCandidate: "The best candidate so far was chosen.",
  CannotBeJudged: "The application cannot be identified from its metrics, so only a trial can tell.",
  BetterThanActing: "An update is better than the version that acts, and takes its place.",
  NotBetter: "An update is not better than the version that acts: it is kept, and does not act.",
  PromotedByHand: "An operator put a version on duty.",
  ResetRequested: "An operator had it begin anew.",
  WeightsImported: "Weights came from outside.",
  FirstRecord: "The first record of this workload asks for another setting of the rules.",
  DayRecorded: "The last day asks for another setting.",
  MissedObjective: "The objective was missed too often: the setting is more careful now.",
  TakenBack: "An operator took the last calibration back.",
};

const KINDS = { alarm: "Alarm", control: "Control", damage: "Damage", loss: "Loss", promotion: "Version", import: "Import", calibration: "Calibrated", judgement: "Judged" };
/** The figures that say most, in this order. */
const FIGURES = { judgedDifference: "difference to the rules", judgedError: "its error", policy: "policy", rules: "rules", mean: "mean",
  threshold: "threshold", windows: "windows", judgedViolations: "missed", judgedRulesViolations: "missed by the rules",
  judgedViolationsBefore: "missed before" };

/** One entry of the timeline. */
export function eventItem(event) {
  const isStage = event.kind === "transition" || (event.kind === "alarm" && event.from === event.to);
  const what = isStage && event.from !== event.to ? [stageBadge(event.from), " → ", stageBadge(event.to)]
    : element("strong", {}, KINDS[event.kind] ?? words(event.kind));
  const version = ["judgement", "promotion", "import"].includes(event.kind) && event.to ? ` v${event.to}` : "";
  const setting = event.kind === "calibration" ? ` ${event.to}` : "";
  const episode = isNumber(event.episode) ? ` episode ${count(event.episode)}, ` : " ";
  const sentence = event.kind === "control" ? `${event.from}: ${event.to}. ${event.reason}` : REASONS[event.reason] ?? words(event.reason);
  const figures = Object.entries(FIGURES).filter(([key]) => isNumber(event.figures?.[key]) && event.figures[key] !== 0)
    .slice(0, 4).map(([key, title]) => `${title} ${fixed(event.figures[key])}`);
  return element("li", {}, element("p", {}, what, version, setting, element("span", { class: "soft" }, episode, timeNode(event.time))),
    element("p", {}, sentence, figures.length > 0 ? element("span", { class: "soft" }, ` (${figures.join(", ")})`) : null));
}
