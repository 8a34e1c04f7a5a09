// What a person may demand of an application or of all: one form, a reason for each act, and its audit entry afterwards.

import { applicationPath, read, send } from "./api.js";
import { element } from "./dom.js";

const field = (name, label, properties = {}) => ({ name, label, properties });
const mode = (name) => () => ["PUT", "/mode", { mode: name }];

/** Acts on one application; `call(values)` gives method, path and body. */
const ACTS = [
  { key: "pause", title: "Pause: keep the allocation as it is", call: mode("pause") },
  { key: "freezeDown", title: "Freeze down: take nothing away", call: mode("freezeDown") },
  { key: "freezeUp", title: "Freeze up: add nothing", call: mode("freezeUp") },
  { key: "running", title: "Resume: end pause and freezes", call: mode("running") },
  { key: "pin", title: "Pin: fix the allocation", fields: [
    field("replicas", "Replicas", { type: "number", min: 1, required: true }), field("cpu", "CPU (as now)"),
    field("memory", "Memory (as now)"), field("seconds", "For how many seconds (for good)", { type: "number", min: 1 })],
  call: (values) => ["PUT", "/pin", numbers(values, ["replicas", "seconds"])] },
  { key: "unpin", title: "Remove the pin", call: () => ["DELETE", "/pin", {}] },
  { key: "stage", title: "Set and hold a stage", fields: [
    field("stage", "Stage", { options: ["offline", "online", "serving"] }),
    field("hold", "Hold it there", { type: "checkbox" })],
  call: (values) => ["PUT", "/stage", { stage: values.stage, hold: values.hold === true }] },
  { key: "retrain", title: "Retrain", call: () => ["POST", "/retrain", {}] },
  { key: "rollback", title: "Put a version on duty (roll back)", fields: [
    field("version", "Version", { type: "number", min: 1, required: true })],
  call: ({ version }) => ["POST", `/models/${encodeURIComponent(version)}/promote`, {}] },
  { key: "approve", title: "Approve the waiting decision", call: () => ["POST", "/approve", {}] },
];

const GLOBAL_ACTS = [
  { key: "killOn", title: "Kill switch on: the rules act everywhere", call: () => ["PUT", "/v1/killswitch", {}] },
  { key: "killOff", title: "Kill switch off", call: () => ["DELETE", "/v1/killswitch", {}] },
];

function numbers(values, names) {
  const body = {};
  for (const [name, value] of Object.entries(values)) if (value !== "") body[name] = names.includes(name) ? Number(value) : value;
  return body;
}

/** The form for the application `name`, or for all with `null`; `done()` is called after an act was carried out. */
export function controlPanel(name, done) {
  const acts = name === null ? GLOBAL_ACTS : ACTS;
  const fields = element("div", { class: "control-fields" });
  const result = element("p", { class: "control-result", role: "status" });
  const choice = element("select", { name: "act", onchange: () => drawFields() },
    acts.map((act) => element("option", { value: act.key }, act.title)));
  const reason = element("input", { name: "reason", required: true, maxlength: 500, placeholder: "incident 4711" });
  const button = element("button", { class: "plain primary" }, "Carry out");
  const form = element("form", { class: "control", onsubmit: (event) => { event.preventDefault(); submit(); } },
    labelled("What", choice), fields, labelled("Why (goes into the audit log)", reason), button, result);

  const current = () => acts.find((act) => act.key === choice.value);
  function drawFields() {
    fields.replaceChildren(...(current().fields ?? []).map((one) => labelled(one.label, input(one))));
  }
  async function submit() {
    const values = {};
    for (const node of fields.querySelectorAll("[name]")) {
      values[node.name] = node.type === "checkbox" ? node.checked : node.value.trim();
    }
    const [method, path, body] = current().call(values);
    button.disabled = true;
    try {
      await send(method, name === null ? path : applicationPath(name, path), { ...body, reason: reason.value });
      result.className = "control-result good";
      result.textContent = `Done. ${await auditLine(name)}`;
      done();
    } catch (error) {
      result.className = "control-result bad";
      result.textContent = `Not done: ${error.message}`;
    } finally {
      button.disabled = false;
    }
  }
  drawFields();
  return form;
}

const labelled = (text, node) => element("label", {}, element("span", {}, text), node);

function input({ name, properties }) {
  if (properties.options) {
    return element("select", { name }, properties.options.map((value) => element("option", { value }, value)));
  }
  return element("input", { name, autocomplete: "off", ...properties });
}

/** The newest entry of the audit log: proof that the act stands there, with who and why. */
async function auditLine(name) {
  const filter = name === null ? "" : `&application=${encodeURIComponent(name)}`;
  try {
    const [entry] = (await read(`/v1/audit?limit=1${filter}`)).items;
    return `Audit entry ${entry.id}: ${entry.action} by ${entry.actor}, “${entry.reason}”.`;
  } catch (error) {
    return `Its audit entry cannot be shown: ${error.message}`;
  }
}
