// Why a hit stands where it stands: what each word met, and what each leg gave.

import { el, svg } from "./dom.js";
import { literalMarks, shown, TIMES, units } from "./text.js";

// A word always meets something. Less like it than this is no meeting to be marked unasked.
const ALIKE = 0.5;
const BAR = 60;

/** The words of a question: pieces of a word together. tokens : places in `explanation.tokens`. */
export function wordsOf(hits, query) {
  const tokens = hits.find((hit) => hit.explanation?.tokens?.length)?.explanation.tokens ?? [];
  const words = [];
  tokens.forEach(({ query_token: token }, at) => {
    const rest = token.startsWith("##") && words.length ? token.slice(2) : null;
    if (rest === null) words.push({ text: token.replace(/^[▁Ġ]/, ""), tokens: [at] });
    else {
      words.at(-1).text += rest;
      words.at(-1).tokens.push(at);
    }
  });
  if (words.length) return words;
  const said = query.match(/[\p{L}\p{N}]{2,}/gu) ?? [];
  return [...new Set(said.map((word) => word.toLowerCase()))].slice(0, 64).map((text) => ({ text, tokens: [] }));
}

/** Where the words met the text of a hit: [{start, end, words, weak}], in UTF-16 units. */
export function marksOf(hit, words) {
  const tokens = hit.explanation?.tokens ?? [];
  if (!tokens.length) return literalMarks(hit.text, words.map((word) => word.text));
  const owner = new Map(words.flatMap((word, at) => word.tokens.map((token) => [token, at])));
  const met = tokens.map((token, at) => [token, owner.get(at)]).filter(([token]) => token.start !== null);
  const places = units(hit.text, met.flatMap(([token]) => [token.start, token.end]));
  return met.map(([token, word], at) => ({
    start: places[2 * at], end: places[2 * at + 1], words: [word], weak: token.similarity < ALIKE,
  }));
}

/** What a word met in a hit, as a sentence. */
export function meeting(hit, word) {
  const tokens = hit.explanation?.tokens ?? [];
  if (!tokens.length) {
    const times = literalMarks(hit.text, [word.text]).length;
    return ["“", el("b", {}, shown(word.text)), `” stands ${times === 1 ? "once" : `${times} times${times < TIMES ? "" : " or more"}`} in the text`];
  }
  return word.tokens.flatMap((at, place) => {
    const token = tokens[at];
    const where = token.start === null ? " in the title" : "";
    const bound = token.imputed ? ", which the index had not retrieved" : "";
    return [place ? "; " : "", "“", el("b", {}, shown(token.query_token)), "” met “", el("b", {}, shown(token.token)),
      `”${where}: ${token.similarity.toFixed(2)}${bound}`];
  });
}

/** A list of the legs: the score of each, and what it gave to the sum. */
export function legs({ explanation }) {
  const spaces = Object.entries(explanation?.spaces ?? {});
  const given = ([, space]) => (space.z === null ? null : space.z * (space.weight ?? 1));
  const most = Math.max(1e-9, ...spaces.map((one) => Math.abs(given(one) ?? 0)));
  return el("ul", { class: "legs", "aria-label": "Score by leg" }, spaces.map((one) => {
    const [name, space] = one;
    const gave = given(one);
    const listed = space.listed === null ? "" : `, retrieved at ${space.listed}`;
    // What adds to MaxSim that ranks alone is weighed, and has no standard score.
    const share = space.z === null && space.weight !== null && space.weight !== undefined ? ` × ${space.weight.toFixed(2)}` : "";
    const sum = gave === null ? share : ` gave ${gave < 0 ? "−" : "+"}${Math.abs(gave).toFixed(2)}`;
    return el("li", {}, gave === null ? null : bar(name, gave, most),
      el("span", {}, `${name} ${space.score.toFixed(3)}${sum}, rank ${space.rank} of ${explanation.candidates}${listed}`));
  }));
}

function bar(name, gave, most) {
  const width = Math.max(1, (Math.abs(gave) / most) * BAR);
  const ink = `var(--${name}, var(--sixth))`;
  return svg("svg", { width: BAR, height: 9, "aria-hidden": "true" },
    svg("rect", { width, height: 9, rx: 2, fill: gave < 0 ? "none" : ink, stroke: ink }));
}
