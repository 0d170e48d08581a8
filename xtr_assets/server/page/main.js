// The page: what its address says is asked and shown; the keyboard moves through the hits.

import { addressOf, readAddress, whereOf, writeAddress } from "./address.js";
import { ask, forgetToken, keepToken, Refused } from "./api.js";
import { counted, el } from "./dom.js";
import { hitList } from "./hits.js";
import { indexView } from "./index_view.js";
import { shown } from "./text.js";

const MODES = ["hybrid", "dense", "xtr", "lexical", "exact"];
const FIELDS = ["mode", "beside", "other", "source", "kind", "path", "collapse", "k"];
const AROUND = { before: 1, after: 1 };

const at = (id) => document.getElementById(id);
const results = at("results"), said = at("said"), query = at("query");
let state = readAddress();
let asking = new AbortController();
let facets = null;
let generations = [];
let indexes = [];

at("mode").append(...MODES.map((mode) => new Option(mode, mode)));
at("beside").append(new Option("nothing", ""), ...MODES.map((mode) => new Option(mode, mode)));

at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  take();
});
for (const name of FIELDS) at(name).addEventListener("change", take);
at("index").addEventListener("change", () => {
  facets = null;
  go({ ...state, index: at("index").value, source: "", kind: "", path: "", other: "" });
});
for (const [id, view] of [["to-search", "search"], ["to-index", "index"]]) {
  at(id).addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go({ ...state, view });
  });
}
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = at("token").value.trim();
  at("token").value = "";
  // What no header can carry, such as a blank of no width that was copied too, would fail as a server that is gone does.
  if (!/^[\x21-\x7e]+$/.test(given)) {
    at("token-problem").textContent = "That token is not valid here.";
    return;
  }
  keepToken(given);
  at("token-form").hidden = true;
  start();
});
addEventListener("popstate", () => {
  const before = state;
  state = readAddress();
  settleIndex();
  if (before.index !== state.index) facets = null;
  // Also where they have the focus: a choice made next would ask what stands there.
  if (before.q !== state.q) query.value = state.q;
  if (before.path !== state.path) at("path").value = state.path;
  show();
});
document.addEventListener("keydown", move);

function take() {
  const q = query.value.trim();
  // "As it was typed" is said of one question.
  const syntax = q === state.q ? state.syntax : "terms";
  go({ ...state, view: "search", q, syntax, ...Object.fromEntries(FIELDS.map((name) => [name, at(name).value])) });
}

function go(wanted) {
  state = wanted;
  writeAddress(state);
  show();
}

async function start() {
  try {
    indexes = Object.keys((await ask("readyz", { allow: [503] })).indexes);
    settleIndex();
    at("index").replaceChildren(...indexes.map((name) => new Option(name, name)));
    at("index-choice").hidden = indexes.length < 2;
  } catch (error) {
    failed(error);
    return;
  }
  await show();
}

/** A server of several indexes has to be told which; of one, none is named. */
function settleIndex() {
  if (indexes.length && !indexes.includes(state.index)) state.index = indexes.length > 1 ? indexes[0] : "";
}

async function show() {
  asking.abort();
  results.removeAttribute("aria-busy");
  asking = new AbortController();
  const { signal } = asking;
  const view = state.view === "index" ? "index" : "search";
  at("search-view").hidden = view !== "search";
  at("index-view").hidden = view !== "index";
  for (const [id, own] of [["to-search", "search"], ["to-index", "index"]]) {
    at(id).href = addressOf({ ...state, view: own });
    if (own === view) at(id).setAttribute("aria-current", "page");
    else at(id).removeAttribute("aria-current");
  }
  document.title = view === "index" ? "Index" : state.q === "" ? "Search" : `${state.q} – Search`;
  fill();
  try {
    if (facets === null) await learn(signal);
    if (view === "index") await showIndex(signal);
    else await search(signal);
  } catch (error) {
    if (error.name !== "AbortError") failed(error);
  }
}

/** What can be chosen: both or, where another question ends this one, neither. */
async function learn(signal) {
  const told = await ask("v1/facets", { index: state.index, signal });
  // No search needs the list of generations: where it is refused none is offered, and the index's view says why.
  const listed = await ask("v1/generations", { index: state.index, signal }).catch((error) => {
    if (error instanceof Refused) return { generations: [] };
    throw error;
  });
  facets = told;
  generations = listed.generations;
  at("serving").replaceChildren(...shown(`${facets.index}, generation ${facets.generation}`));
  fill();
}

/** The form says what the state is; a choice that the data does not offer (any more) is offered all the same. */
function fill() {
  if (document.activeElement !== query || query.value.trim() === "") query.value = state.q;
  if (at("index").options.length) at("index").value = state.index;
  const sources = facets?.sources ?? [];
  const own = sources.filter((one) => state.source === "" || one.source === state.source);
  const kinds = new Map();
  for (const one of own) for (const [kind, number] of Object.entries(one.kinds)) kinds.set(kind, (kinds.get(kind) ?? 0) + number);
  offer("source", sources.map((one) => [one.source, one.chunks]));
  offer("kind", [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)));
  at("folders").replaceChildren(...(facets?.folders ?? [])
    .filter((one) => state.source === "" || one.source === state.source)
    .map((one) => new Option(counted(one.chunks, "chunk"), one.path)));
  // A mode of a leg that the index does not have is shown, and cannot be chosen.
  for (const one of [...at("mode").options, ...at("beside").options]) {
    one.disabled = one.value !== "" && facets !== null && !facets.modes.includes(one.value);
  }
  // Only what served may answer again: no draft, nothing that was withdrawn.
  const answering = generations.filter((one) => one.state === "retired").map((one) => String(one.generation)).reverse();
  at("other").replaceChildren(new Option("none", ""),
    ...(state.other === "" || answering.includes(state.other) ? answering : [state.other, ...answering]).map((one) => new Option(one, one)));
  for (const name of ["mode", "beside", "other", "collapse", "k"]) at(name).value = state[name];
  if (document.activeElement !== at("path") || at("path").value === "") at("path").value = state.path;
  if (at("k").value === "") at("k").value = state.k = "10";
  if (at("collapse").value === "") at("collapse").value = state.collapse = "text";
  if (at("mode").value === "") at("mode").value = state.mode = "hybrid";
  if (at("beside").selectedIndex < 0) at("beside").value = state.beside = "";
}

function offer(name, values) {
  const known = values.some(([value]) => value === state[name]) || state[name] === "";
  at(name).replaceChildren(new Option("any", ""),
    ...values.map(([value, number]) => new Option(`${value} (${number.toLocaleString("en")})`, value)),
    ...(known ? [] : [new Option(state[name], state[name])]));
  at(name).value = state[name];
}

async function search(signal) {
  if (state.q === "") {
    said.textContent = facets === null ? "" : `${counted(facets.sources.reduce((sum, one) => sum + one.chunks, 0), "chunk")} to search.`;
    said.classList.remove("problem");
    results.replaceChildren();
    return;
  }
  const asked = sides();
  results.setAttribute("aria-busy", "true");
  try {
    // Held for ten minutes; it may take seconds to be opened.
    if (state.other !== "") await ask(`v1/generations/${state.other}/open`, { index: state.index, signal, post: true });
    const answers = await Promise.all(asked.map(({ mode, generation }) => ask("v1/search", {
      index: state.index, signal, generation,
      body: { query: state.q, k: Number(state.k), mode, where: whereOf(state), explain: true, syntax: state.syntax,
        collapse: state.collapse === "none" ? null : state.collapse },
    })));
    // Also where the server moved on between the two.
    const one = state.other === "" && answers.every((answer) => answer.generation === answers[0].generation);
    const named = answers.map((answer) => (one ? answer.mode : `${answer.mode}, generation ${answer.generation}`));
    tell(answers, named);
    const ranks = answers.map((answer) => new Map(answer.hits.map((hit) => [hit.id, hit.rank])));
    results.classList.toggle("two", answers.length === 2);
    results.replaceChildren(...answers.map((answer, place) => hitList({
      name: named[place], hits: answer.hits, query: state.q,
      others: answers.length === 2 ? ranks[1 - place] : null,
      around: (id) => ask(`v1/chunks/${id}`, { index: state.index, query: AROUND, generation: asked[place].generation }),
    })));
    if (answers[0].generation !== facets.generation) await learn(signal);
  } finally {
    if (!signal.aborted) results.removeAttribute("aria-busy");
  }
}

/** What is asked: one list, or two that differ in the mode, the generation, or both. */
function sides() {
  const first = { mode: state.mode, generation: null };
  const second = { mode: state.beside === "" ? state.mode : state.beside, generation: state.other === "" ? null : Number(state.other) };
  return second.mode === first.mode && second.generation === null ? [first] : [first, second];
}

function tell(answers, named) {
  const parts = answers.map((answer, place) => `${counted(answer.hits.length, "hit")} in ${answer.took_ms.toFixed(1)} ms`
    + (answers.length === 2 ? ` (${named[place]})` : ""));
  const filters = Object.keys(whereOf(state)).length;
  const none = answers.every((answer) => answer.hits.length === 0);
  said.classList.remove("problem");
  said.textContent = none ? `Nothing was found${filters ? "; take out a filter" : ""}.` : `${parts.join(", ")}.`;
  const corrected = answers.find((answer) => answer.corrected)?.corrected;
  if (corrected) {
    said.append(" Asked for ", el("b", {}, ...shown(corrected)), ", as no text holds what was typed. ",
      el("a", { href: addressOf({ ...state, syntax: "plain" }) }, "Ask for that"), ".");
  }
}

async function showIndex(signal) {
  const view = at("index-view");
  if (!view.hasChildNodes()) view.append(el("p", {}, "…"));
  const asked = ["v1/generation", "v1/generations", "v1/state"].map((path) => ask(path, { index: state.index, signal }));
  const found = await Promise.allSettled(asked);
  const refused = found.map((one) => one.reason).filter((reason) => reason !== undefined);
  const ended = refused.find((reason) => reason.name === "AbortError" || reason.status === 401);
  if (ended) throw ended;
  const [about, all, told] = found.map((one) => one.value ?? null);
  view.replaceChildren(...refused.map((reason) => el("p", { class: "problem" }, shown(reason.message))),
    ...indexView(about, all, told));
}

function failed(error) {
  if (error instanceof Refused && error.status === 401) {
    forgetToken();
    results.replaceChildren();
    at("index-view").replaceChildren();
    said.textContent = "";
    at("token-problem").textContent = at("token-form").hidden && at("token").dataset.asked ? "That token is not valid here." : "";
    at("token").dataset.asked = "yes";
    at("token-form").hidden = false;
    at("search-view").hidden = at("index-view").hidden = true;
    at("token").focus();
    return;
  }
  results.replaceChildren();
  if (at("index-view").hidden) {
    said.classList.add("problem");
    said.replaceChildren(...shown(error.message));
  } else at("index-view").replaceChildren(el("p", { class: "problem" }, shown(error.message)));
  if (!(error instanceof Refused)) throw error;
}

/** `/` to the question, arrows through the hits (Enter opens the one that has the focus), Escape back. */
function move(event) {
  // While letters are composed into one, as Japanese is typed, the arrows choose among the words that are offered.
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || at("search-view").hidden) return;
  const within = event.target;
  const typing = within instanceof HTMLInputElement || within instanceof HTMLSelectElement;
  if (event.key === "/" && !typing) {
    query.focus();
    query.select();
  } else if (event.key === "Escape" && within !== query) query.focus();
  else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (!typing || within === query)) {
    const places = [...results.querySelectorAll(".place")];
    const here = places.indexOf(within.closest?.("article")?.querySelector(".place"));
    const next = here + (event.key === "ArrowDown" ? 1 : -1);
    if (within === query && event.key === "ArrowUp") return;
    if (next < 0) query.focus();
    else if (next < places.length) {
      places[next].focus();
      places[next].closest("article").scrollIntoView({ block: "nearest" });
    }
  } else return;
  event.preventDefault();
}

start();
