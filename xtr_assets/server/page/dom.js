// Elements out of names and text. Text becomes text nodes and nothing else: what a corpus holds is never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. A value of null or false leaves its attribute out; `on` holds listeners by event. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same in an SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, { on = {}, ...attributes }, children) {
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** A table; columns are [title, is a number]. A cell is text or a node. */
export function table(columns, rows) {
  const kind = (at) => (columns[at][1] ? "number" : null);
  return el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": columns[0][0] },
    el("table", {},
      el("thead", {}, el("tr", {}, columns.map(([title], at) => el("th", { scope: "col", class: kind(at) }, title)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, at) => el("td", { class: kind(at) }, cell)))))));
}

export const count = (number) => Number(number).toLocaleString("en");

export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
