// Builds and updates DOM nodes; text always enters as text, so nothing a server says can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; `on...` properties are listeners, the others attributes (null and false leave them out). */
export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const signatures = new WeakMap();

/**
 * Replaces the children of `container` with `build(data)`, but only when `data` differs from the last time.
 * Keyboard focus and open disclosures survive where an element with the same `data-key` exists afterwards.
 */
export function refresh(container, data, build) {
  const signature = JSON.stringify(data);
  if (signatures.get(container) === signature) return;
  signatures.set(container, signature);
  keepingPlace(container, () => container.replaceChildren(...[build(data)].flat(2).filter(Boolean)));
}

/** Runs `change` and gives focus, and the open state of `<details>`, back to the successors of what it replaced. */
export function keepingPlace(container, change) {
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const toggled = new Map();
  for (const node of container.querySelectorAll("details[data-key]")) toggled.set(node.dataset.key, node.open);
  change();
  for (const node of container.querySelectorAll("[data-key]")) {
    if (toggled.has(node.dataset.key)) node.open = toggled.get(node.dataset.key);
    if (node.dataset.key === focused) node.focus({ preventScroll: true });
  }
}

/** Makes the children of `parent` those of `items`, in order; a child whose item is unchanged stays the same node. */
export function reconcile(parent, items, keyOf, build) {
  const known = new Map([...parent.children].map((node) => [node.dataset.row, node]));
  const nodes = items.map((item) => {
    const signature = JSON.stringify(item);
    const old = known.get(keyOf(item));
    if (old && signatures.get(old) === signature) return old;
    const node = build(item);
    node.dataset.row = keyOf(item);
    signatures.set(node, signature);
    return node;
  });
  const same = nodes.length === parent.children.length && nodes.every((node, i) => node === parent.children[i]);
  if (!same) keepingPlace(parent, () => parent.replaceChildren(...nodes));
}

/** Counts the identifiers handed out, so that every table names a caption of its own. */
let identifiers = 0;

/**
 * A table. Roles are spelled out because narrow screens lay rows out as cards, which would drop the implied ones.
 * Columns are `{title, className, hint, header}`; `header` (a node) replaces the title in the head.
 */
export function table(caption, columns, rows, className = "") {
  const id = `caption-${identifiers += 1}`;
  const head = columns.map((column) => element("th", {
    scope: "col", role: "columnheader", class: column.className, title: column.hint, "aria-sort": column.sort,
  }, column.header ?? column.title));
  return element("table", { role: "table", class: className, "aria-labelledby": id },
    element("caption", { id, class: "unseen" }, caption),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, head)),
    element("tbody", { role: "rowgroup" }, rows));
}

/** A row of such a table; `cells` are texts or nodes, one for each column. */
export function row(columns, cells, className) {
  return element("tr", { role: "row", class: className }, cells.map((cell, i) =>
    element(i === 0 ? "th" : "td", {
      role: i === 0 ? "rowheader" : "cell", scope: i === 0 ? "row" : null,
      class: columns[i].className, "data-label": columns[i].title,
    }, cell)));
}
