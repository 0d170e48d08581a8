// Lines over an axis, as inline SVG; the figures stand in a table beside it, or below it in words.

import { el, svg } from "./dom.js";

const WIDTH = 460, HEIGHT = 190, LEFT = 42, RIGHT = 12, TOP = 10, BOTTOM = 34;
const INKS = ["dense", "xtr", "lexical", "name", "fifth", "sixth"];

/** series : [{name, points: [[x, y]], asked: number or null}]; over : what the axis counts. */
export function lineChart(title, over, series) {
  const drawn = series.filter((one) => one.points.length);
  if (!drawn.length) return el("p", {}, `${title}: nothing was measured.`);
  const xs = [...new Set(drawn.flatMap((one) => one.points.map(([x]) => x)))].sort((a, b) => a - b);
  const ys = drawn.flatMap((one) => [...one.points.map(([, y]) => y), ...(one.asked === null ? [] : [one.asked])]);
  const low = Math.max(0, Math.floor((Math.min(...ys) - 0.01) * 20) / 20), high = Math.max(1, ...ys);
  // Places in order, evenly: generations are numbers that may skip.
  const x = (value) => LEFT + (xs.length === 1 ? 0.5 : xs.indexOf(value) / (xs.length - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
  const every = Math.ceil(xs.length / 8);
  const ticks = [low, (low + high) / 2, high];
  const told = drawn.map((one) => `${one.name} ${one.points.at(-1)[1].toFixed(3)}`).join(", ");
  return el("figure", {},
    el("figcaption", {}, title),
    svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}; at the end ${told}` },
      svg("path", { class: "axis", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` }),
      ticks.map((tick) => svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(2))),
      xs.filter((_, at) => at % every === 0).map((tick) =>
        svg("text", { x: x(tick), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, String(tick))),
      svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, over),
      drawn.map((one, at) => line(one, `var(--${INKS[at % INKS.length]})`, x, y))),
    el("ul", { class: "legend" }, drawn.map((one, at) => el("li", {},
      svg("svg", { width: 18, height: 8, "aria-hidden": "true" },
        svg("path", { d: "M0 4H18", stroke: `var(--${INKS[at % INKS.length]})`, "stroke-width": 3 })),
      ` ${one.name}${one.asked === null ? "" : `, ${one.asked} asked`}`))));
}

function line({ name, points, asked }, ink, x, y) {
  const path = points.map(([px, py], at) => `${at ? "L" : "M"}${x(px)} ${y(py)}`).join("");
  return svg("g", { stroke: ink, fill: "none", "stroke-width": 2 },
    asked === null ? null : svg("path", { class: "asked", d: `M${LEFT} ${y(asked)}H${WIDTH - RIGHT}`, "stroke-width": 1 }),
    svg("path", { d: path }),
    points.map(([px, py]) => svg("circle", { cx: x(px), cy: y(py), r: 3, fill: ink },
      svg("title", {}, `${name}: ${py.toFixed(4)} at ${px}`))));
}
