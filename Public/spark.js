// A sparkline: the last rewards of an application, small enough for a row of a table.

import { svg } from "./dom.js";
import { domain, linear } from "./scale.js";

const WIDTH = 96;
const HEIGHT = 22;

/** The line of `values`, oldest first; an empty box of the same size for fewer than two, so that nothing jumps. */
export function sparkline(values, label) {
  const box = { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img",
    "aria-label": label };
  if (values.length < 2) return svg("svg", box);
  const [low, high] = domain(values, 0.1, 0.05);
  const x = linear(0, values.length - 1, 2, WIDTH - 4);
  const y = linear(low, high, HEIGHT - 3, 3);
  const path = values.map((value, i) => `${i === 0 ? "M" : "L"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  return svg("svg", box, svg("path", { d: path }),
    svg("circle", { cx: x(values.length - 1), cy: y(values.at(-1)), r: 2 }));
}
