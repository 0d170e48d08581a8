// A list of hits: the words of the question above it, and of each hit its place, its text and why it is there.

import { legs, marksOf, meeting, wordsOf } from "./explanation.js";
import { count, el } from "./dom.js";
import { excerpt, FULL, shown, textElement } from "./text.js";
import { isCode } from "./syntax.js";

const PLACES = ["source", "kind", "symbol", "title"];
// Characters of a name: the title of a method is its class and its whole signature.
const NAME = 90;

/** One list, by its name. others : ranks by id in the list beside it; around : asks for what stands around a chunk. */
export function hitList({ name, hits, query, others, around }) {
  const words = wordsOf(hits, query);
  const cards = hits.map((hit) => card(hit, words, others, around));
  const list = el("section", { class: "list", "aria-label": `Hits, ${name}` },
    others ? el("h2", {}, name) : null,
    words.length && hits.length ? wordRow(words, cards) : null,
    el("ol", {}, cards.map((one) => one.node)));
  return list;
}

function wordRow(words, cards) {
  let pressed = null;
  const show = (at) => cards.forEach((one) => one.show(at));
  const buttons = words.map((word, at) => el("button", {
    type: "button", "aria-pressed": "false",
    on: {
      mouseenter: () => show(at), focus: () => show(at),
      mouseleave: () => show(pressed), blur: () => show(pressed),
      click: () => {
        pressed = pressed === at ? null : at;
        buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === pressed)));
        show(pressed);
      },
    },
  }, shown(word.text)));
  return el("div", { class: "words", role: "group", "aria-label": "What each word met" }, "What each word met:", buttons);
}

function card(hit, words, others, around) {
  const marks = marksOf(hit, words);
  const met = el("p", { class: "met" });
  const body = el("div", {});
  const lines = hit.start_line === hit.end_line ? hit.start_line : `${hit.start_line}–${hit.end_line}`;
  const place = el("button", { type: "button", class: "place", "aria-expanded": "false", on: { click: toggle } },
    el("bdi", {}, shown(hit.path)), `:${lines}`);
  const node = el("li", {}, el("article", { class: isCode(hit.path) ? "hit" : "hit prose" },
    el("h3", {}, place),
    el("p", { class: "facts" }, facts(hit, others)),
    ...copies(hit),
    body, met, legs(hit)));
  let context = null;
  let seen = excerpt(hit.text, marks);
  let current = null;
  draw();
  return { node, show };

  function draw() {
    const [start, end] = seen;
    const left = Math.min(hit.text.length, FULL);
    const all = start === 0 && end >= left ? null : el("button", {
      type: "button", class: "more",
      on: { click: () => { seen = [0, hit.text.length]; draw(); place.focus(); } },
    }, hit.text.length > FULL ? `Show the first ${count(FULL)} of ${count(hit.text.length)} characters`
      : `Show all ${count(hit.text.length)} characters`);
    body.replaceChildren(textElement(hit.text, hit.path, marks, seen), ...(all === null ? [] : [all]));
    show(current);
  }

  function show(at) {
    current = at;
    for (const mark of body.querySelectorAll("mark")) {
      mark.classList.toggle("strong", at !== null && mark.dataset.words.split(" ").includes(String(at)));
    }
    met.replaceChildren(...(at === null ? [] : meeting(hit, words[at])).filter((one) => one !== ""));
  }

  async function toggle() {
    if (context !== null) {
      context.remove();
      context = null;
      place.setAttribute("aria-expanded", "false");
      return;
    }
    place.setAttribute("aria-expanded", "true");
    context = el("div", { class: "around", role: "group", "aria-label": "What stands around it" }, "…");
    node.firstChild.append(context);
    const own = context;
    try {
      own.replaceChildren(...neighbours(await around(hit.id)));
    } catch (error) {
      own.replaceChildren(el("p", { class: "problem" }, shown(error.message)));
    }
  }
}

function facts(hit, others) {
  const score = hit.score === null ? [] : [el("b", {}, `score ${hit.score.toFixed(3)}`)];
  const sure = hit.confidence === null || hit.confidence === undefined ? []
    : [`right with ${Math.round(100 * hit.confidence)} % confidence`];
  const beside = others === null ? [] : [others.has(hit.id) ? `rank ${others.get(hit.id)} beside` : "not beside"];
  const names = [...new Set(PLACES.map((name) => hit[name]).filter((name) => name))];
  const named = names.map((name) => el("bdi", {}, shown(name.length > NAME ? `${name.slice(0, NAME)}…` : name)));
  return [...score, ...sure, ...beside, ...named].flatMap((one, at) => (at ? [" · ", one] : [one]));
}

/** Where else the text stands: one place, and the others behind it. */
function copies(hit) {
  const also = hit.also ?? [];
  if (also.length === 0) return [];
  const place = (one) => [one.source === hit.source ? "" : `${one.source}: `, el("bdi", {}, shown(one.path)), `:${one.start_line}`];
  const first = ["also in ", ...place(also[0])];
  if (hit.copies === 1) return [el("p", { class: "facts" }, first)];
  const more = hit.copies > also.length ? [el("li", {}, `and ${count(hit.copies - also.length)} more`)] : [];
  return [el("details", { class: "facts also" },
    el("summary", {}, first, ` and ${count(hit.copies - 1)} more`),
    el("ul", {}, also.slice(1).map((one) => el("li", {}, place(one))), more))];
}

function neighbours({ before, after }) {
  const part = (chunks, name) => (chunks.length === 0 ? [el("p", { class: "facts" }, `Nothing stands ${name} it.`)]
    : chunks.flatMap((chunk) => [
      el("p", { class: "facts" }, `${name}, lines ${chunk.start_line}–${chunk.end_line} `, el("bdi", {}, shown(chunk.symbol))),
      textElement(chunk.text, chunk.path, [], excerpt(chunk.text, [])),
    ]));
  return [...part(before, "Before"), ...part(after, "After")];
}
