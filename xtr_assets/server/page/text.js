// Texts of a corpus as nodes: marked where a word met them, coloured as code, characters that deceive made visible.

import { el } from "./dom.js";
import { syntaxRuns } from "./syntax.js";

// What turns the order of letters around, or shows as nothing, in a text that somebody else wrote: whole sentences are
// hidden from people in tags and in selectors of a letter's form, and read by models.
const HIDDEN = new RegExp("[\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b-\\u200f"
  + "\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]", "gu");
// Of these, a selector behind what has several forms, and the few tags that name the country of a flag, are a text's own.
const SELECTED = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{S}\p{Script=Han}\p{Script=Myanmar}\p{Script=Phags_Pa}0-9#*][\ufe00-\ufe0f]$|\p{Script=Han}[\u{e0100}-\u{e01ef}]$/u;
const FLAG = /^\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{3,6}\u{e007f}/u;
// And what joins pictures into one and letters of scripts that join or part by it, as Persian does, is a text's own.
const JOINERS = "\u200c\u200d";
const PICTURES = [/\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?$/u, /^\p{Extended_Pictographic}/u];
const SCRIPTS = "Arabic Syriac Mandaic Nko Mongolian Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam " +
  "Sinhala Khmer Myanmar";
const JOINED = `[${SCRIPTS.split(" ").map((script) => `\\p{Script=${script}}`).join("")}\\p{M}]`;
const LETTERS = [new RegExp(`${JOINED}$`, "u"), new RegExp(`^${JOINED}`, "u")];
// Characters and lines of a hit that are shown at once, and at most: a line may have a million.
const SHOWN = 1200;
const LINES = 16;
const MOST = 100_000;
// Places of one word that are marked, of text that has no tokens to tell of.
export const TIMES = 100;

/** Text as nodes; the part of it from one place to another, in UTF-16 units. */
export function shown(text, from = 0, to = text.length) {
  const nodes = [];
  let at = from;
  for (const found of text.slice(from, to).matchAll(HIDDEN)) {
    const place = from + found.index;
    if (JOINERS.includes(found[0]) ? joins(text, place) : forms(text, place, found[0])) continue;
    nodes.push(text.slice(at, place));
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(el("span", { class: "ctl" }, `⟨U+${code}⟩`));
    at = place + found[0].length;
  }
  nodes.push(text.slice(at, to).replaceAll("\r", ""));
  return nodes.filter((node) => node !== "");
}

/** Whether what stands on both sides of a joiner is what it is for. */
function joins(text, place) {
  const before = text.slice(Math.max(0, place - 4), place), after = text.slice(place + 1, place + 3);
  return [PICTURES, LETTERS].some(([left, right]) => left.test(before) && right.test(after));
}

/** Whether a character chooses the form of the one before it, or is of the name of a flag. */
function forms(text, place, character) {
  if (SELECTED.test(text.slice(Math.max(0, place - 2), place + character.length))) return true;
  const first = Math.max(0, place - 14), flag = text.slice(first, place).lastIndexOf("\u{1f3f4}");
  return flag >= 0 && first + flag + (FLAG.exec(text.slice(first + flag, first + flag + 16))?.[0].length ?? 0) > place;
}

/** Places in characters as places in UTF-16 units, which JavaScript counts. */
export function units(text, places) {
  if (!/[\ud800-\udbff]/.test(text)) return places;
  const wanted = [...new Set(places)].sort((a, b) => a - b);
  const found = new Map();
  let characters = 0, at = 0;
  for (const place of wanted) {
    for (; characters < place && at < text.length; characters += 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
    found.set(place, at);
  }
  return places.map((place) => found.get(place));
}

/** Where words stand in a text, case apart: [{start, end, words: [index]}]. */
export function literalMarks(text, words) {
  const part = text.slice(0, MOST);
  return words.flatMap((word, index) => {
    if (word === "") return [];
    const pattern = new RegExp(word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");
    return Array.from(part.matchAll(pattern), (found) =>
      ({ start: found.index, end: found.index + found[0].length, words: [index] })).slice(0, TIMES);
  });
}

/** The part of a text that is shown first: around the most marks. [start, end] */
export function excerpt(text, marks) {
  const places = marks.map((mark) => mark.start).sort((a, b) => a - b);
  let best = 0, most = 0;
  places.forEach((start, first) => {
    let last = first;
    while (last < places.length && places[last] < start + SHOWN - 200) last += 1;
    if (last - first > most) [best, most] = [start, last - first];
  });
  // From its beginning, where they are seen from there.
  if ((text.length <= SHOWN || best < SHOWN / 2) && text.slice(0, best).split("\n").length < LINES) best = 0;
  const line = text.lastIndexOf("\n", best) + 1;
  const start = best - line < 200 ? line : whole(text, best - 100);
  let end = whole(text, Math.min(text.length, start + SHOWN)), seen = start;
  for (let lines = 0; lines < LINES && seen >= 0 && seen < end; lines += 1) seen = text.indexOf("\n", seen) + 1 || end;
  return [start, Math.min(end, Math.max(seen, start + 1))];
}

/** A place, or the one before it where it lies within a character of two units. */
function whole(text, place) {
  return /^[\ud800-\udbff][\udc00-\udfff]/.test(text.slice(place - 1, place + 1)) ? place - 1 : place;
}

/** The part of a text as an element; marks: [{start, end, words, weak}], in UTF-16 units of the whole text. */
export function textElement(text, path, marks, [start, end]) {
  end = Math.min(end, start + MOST);
  const runs = syntaxRuns(text.slice(start, end), path).map(([from, to, kind]) => [from + start, to + start, kind]);
  const inside = marks.filter((mark) => mark.end > start && mark.start < end);
  const cuts = new Set([start, end]);
  for (const [from, to] of runs) cuts.add(from).add(to);
  for (const mark of inside) cuts.add(Math.max(start, mark.start)).add(Math.min(end, mark.end));
  const places = [...cuts].sort((a, b) => a - b);
  const made = el("div", { class: "text", dir: "auto" });
  if (start > 0) made.append("… ");
  let run = 0;
  for (let i = 0; i + 1 < places.length; i += 1) {
    const [from, to] = [places[i], places[i + 1]];
    while (run < runs.length && runs[run][1] <= from) run += 1;
    let nodes = shown(text, from, to);
    if (run < runs.length && runs[run][0] <= from) nodes = [el("span", { class: runs[run][2] }, nodes)];
    const met = inside.filter((mark) => mark.start <= from && mark.end >= to);
    if (met.length) {
      const words = [...new Set(met.flatMap((mark) => mark.words))].join(" ");
      nodes = [el("mark", { "data-words": words, class: met.every((mark) => mark.weak) ? "weak" : null }, nodes)];
    }
    made.append(...nodes);
  }
  if (end < text.length) made.append(" …");
  return made;
}

export const FULL = MOST;
