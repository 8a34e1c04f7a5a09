// Every route of the API, drawn from the document that the server describes itself with.

import { element } from "./dom.js";

const target = document.getElementById("routes");

/** The members of a schema, a line each. */
function members(schema) {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).map(([name, one]) => element("li", {}, element("code", {}, name),
    ` ${[].concat(one.type ?? "").join(" or ")}${required.has(name) ? ", required" : ""}`,
    one.description ? `: ${one.description}` : ""));
}

const resolve = (document, schema) => schema?.$ref?.startsWith("#/")
  ? schema.$ref.slice(2).split("/").reduce((node, key) => node?.[key.replace(/~1/g, "/").replace(/~0/g, "~")], document) : schema;

function route(api, method, path, operation) {
  const body = resolve(api, operation.requestBody?.content?.["application/json"]?.schema);
  const parameters = (operation.parameters ?? []).map((one) => resolve(api, one)).filter((one) => one?.in === "query");
  return element("details", { class: "route" },
    element("summary", {}, element("code", {}, element("b", {}, method.toUpperCase()), ` ${path}`), ` ${operation.summary ?? ""}`),
    operation.description ? element("p", {}, operation.description) : null,
    parameters.length > 0 ? element("p", {}, "Query: ", parameters.map((one) => [element("code", {}, one.name), " "])) : null,
    body ? [element("p", {}, "Body:"), element("ul", {}, members(body))] : null,
    element("p", {}, "Answers: ", Object.entries(operation.responses ?? {}).map(([status, answer]) =>
      [element("code", {}, status), ` ${resolve(api, answer)?.description ?? ""} `])));
}

try {
  const api = await (await fetch("/openapi.json")).json();
  const routes = Object.entries(api.paths).flatMap(([path, item]) => ["get", "put", "post", "delete"]
    .filter((method) => item[method]).map((method) => route(api, method, path, item[method])));
  target.replaceChildren(...routes);
} catch (problem) {
  target.replaceChildren(element("p", { class: "failed" }, `The API's description could not be read: ${problem.message}`));
}
