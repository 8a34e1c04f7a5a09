// What the page shows before there is any application: how to begin, as a command to paste.

import { element } from "./dom.js";

/** Nothing there yet: how to begin, as a command to paste. */
export function emptyState() {
  const observation = '{"replicas": 3, "cpuLimit": "512m", "memoryLimit": "512Mi",\n'
    + '       "cpuUtilization": 0.82, "memoryUtilization": 0.55,\n       "latencySeconds": 0.41, "requestRate": 120}';
  const command = `curl -s ${location.origin}/v1/applications/shop-web/decisions \\\n`
    + `  -H 'Content-Type: application/json' \\\n  -d '${observation}'`;
  const copy = element("button", { type: "button", class: "plain", onclick: async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected, copy with Ctrl+C";
    }
  } }, "Copy");
  const code = element("code", {}, command);
  return element("div", { class: "card empty" },
    element("h1", {}, "No applications yet"),
    element("p", {}, "Post a first observation. The application is created with defaults, the rules answer, ",
      "and it appears here within three seconds."),
    element("pre", { tabindex: "0" }, code), copy);
}
