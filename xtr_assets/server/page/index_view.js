// The state of an index: its generations and what they reached, what was left out, what is behind, what is under way.

import { count, counted, el, table } from "./dom.js";
import { lineChart } from "./charts.js";
import { shown } from "./text.js";

const RECALL = /recall|known_item/;

/** about : /v1/generation; all : /v1/generations; state : /v1/state; null where the server refused it. */
export function indexView(about, all, state) {
  const generations = [...(all?.generations ?? [])].sort((a, b) => a.generation - b.generation);
  return [
    ...summary(about, all, state),
    el("h2", {}, "Recall"), ...charts(generations, about?.generation ?? null),
    el("h2", {}, "Generations"), generationTable(generations),
    ...otherwise(generations),
    ...(state === null ? [] : [...live(state.live_recall ?? null), ...left(state)]),
  ];
}

function summary(about, all, state) {
  if (about === null) return [];
  const told = new Set([about, all, state].map((one) => one?.problem ?? null).filter((one) => one !== null));
  const problem = [...told].map((one) => el("p", { class: "problem" }, shown(one)));
  const draft = state?.draft ?? null;
  const failed = draft === null || draft.failed.length === 0 ? "" : `, failed: ${draft.failed.join(", ")}`;
  return [
    el("p", {}, `Generation ${about.generation} answers: ${counted(about.live_rows, "chunk")} in `
      + `${counted(about.segments, "segment")}, encoded by `, shown(about.encoder.name), `, made ${time(about.created_at)}.`),
    ...problem,
    el("p", {}, draft === null ? "Nothing is being built."
      : `Draft ${draft.generation}, begun ${time(draft.created_at)}: ${counted(draft.passed, "check")} passed${failed}.`),
  ];
}

function charts(generations, serving) {
  const names = [...new Set(generations.flatMap((one) => one.checks.map((check) => check.name)))].filter((name) => RECALL.test(name));
  const over = names.map((name) => {
    const found = generations.flatMap((one) => one.checks.filter((check) => check.name === name && figure(check) !== null)
      .map((check) => [one.generation, figure(check)]));
    return { name, points: found, asked: null };
  });
  const now = generations.find((one) => one.generation === serving)?.checks ?? [];
  const curves = now.filter((check) => check.curve?.length).map((check) =>
    ({ name: check.name, points: check.curve, asked: check.threshold }));
  return [el("div", { class: "charts" },
    lineChart("Recall and known items found, by generation", "generation", over),
    lineChart(`Recall over k in generation ${serving}`, "k", curves))];
}

const figure = (check) => check.mean ?? check.value;

function generationTable(generations) {
  const rows = [...generations].reverse().map((one) => {
    const failed = one.checks.filter((check) => !check.passed).map((check) => check.name);
    const verdict = one.checks.length === 0 ? "no checks" : failed.length === 0 ? `${one.checks.length} passed`
      : el("span", { class: "bad" }, `failed: ${failed.join(", ")}`);
    const forced = one.forced === null ? [] : [" ", el("span", { class: "bad" }, "forced: ", shown(one.forced))];
    return [String(one.generation), el("span", { class: one.state === "published" ? "good" : null }, one.state, forced),
      time(one.created_at), count(one.live_rows), count(one.segments), bytes(one.bytes), verdict];
  });
  return table([["Generation", true], ["State"], ["Made"], ["Chunks", true], ["Segments", true], ["Size", true], ["Checks"]], rows);
}

/** What people ask and the newest generation that was compared answers otherwise than the one that served then. */
function otherwise(generations) {
  const found = [...generations].reverse().map((one) => [one, one.checks.find((check) => check.name === "answers_shadow")])
    .find(([, check]) => check !== undefined && check.value !== null);
  if (found === undefined) return [];
  const [one, check] = found;
  return [el("h2", {}, "Questions with other answers"),
    el("p", { class: check.passed ? null : "problem" }, `Generation ${one.generation} changes ${check.value.toFixed(3)} of what `
      + `was answered to the questions asked most; ${check.threshold} may change.`),
    ...(check.answers === undefined ? [] : [table(
      [["Question"], ["Asked", true], ["Kept", true], ["First before"], ["First now"]],
      check.answers.map((row) => [shown(row.question), count(row.asked), `${Math.round(100 * row.kept)} %`,
        el("bdi", {}, shown(row.first_before)), el("bdi", {}, shown(row.first_after))]))])];
}

/** Recall of what people asked. Nothing measured is said, not drawn as a figure. */
function live(found) {
  const chosen = Object.entries(found?.outcomes ?? {}).map(([outcome, number]) => `${outcome} ${count(number)}`).join(", ");
  const told = found === null ? "This server measures none of the questions that it answers."
    : found.measured.length === 0 ? `No question was measured yet${chosen === "" ? "" : ` (${chosen})`}.`
      : `${found.share >= 1 ? "Every question" : `One question in ${count(Math.round(1 / found.share))}`} is answered again by a scan of every row (${chosen}).`;
  return [el("h2", {}, "Recall of what was asked"), el("p", {}, told),
    ...(found === null || found.measured.length === 0 ? [] : [table(
      [["Generation", true], ["Mode"], ["Filter"], ["Questions", true], ["Mean recall", true], ["Below 0.9", true], ["Lowest", true]],
      found.measured.map((one) => [String(one.generation), one.mode, one.filter, count(one.questions), one.mean.toFixed(3),
        count(one.low), one.least.toFixed(2)]))])];
}

function left(state) {
  const { quarantine, stale, shards, history } = state;
  const reasons = Object.entries(quarantine.reasons).map(([reason, number]) => `${reason} ${count(number)}`).join(", ");
  return [
    el("h2", {}, "Shards"),
    table([["Shard"], ["Chunks", true], ["Files", true], ["In quarantine", true], ["Stale", true], ["Last looked at"], ["Against its source"]],
      shards.map((one) => [shown(one.shard), count(one.live_rows), count(one.files), count(one.quarantined), count(one.stale),
        one.looked_at === null ? "not known" : time(one.looked_at),
        one.ahead ? el("span", { class: "bad" }, "read again since, not published") : "as published"])),
    el("h2", {}, "Quarantine"),
    el("p", {}, quarantine.total === 0 ? "Every file could be used." : `${counted(quarantine.total, "file or record", "files or records")} cannot be used: ${reasons}.`),
    ...(quarantine.total === 0 ? [] : [table([["Place"], ["Source"], ["Reason"], ["Detail"]], quarantine.files.map((one) =>
      [el("bdi", {}, shown(one.path), one.line ? `:${one.line}` : ""), shown(one.source), one.reason, shown(one.detail)]))]),
    ...rest(quarantine),
    el("h2", {}, "Stale files"),
    el("p", {}, stale.total === 0 ? "No file is older here than at its source." : `${counted(stale.total, "file")} could not be read again; what was indexed of them stays.`),
    ...(stale.total === 0 ? [] : [table([["Place"], ["Shard"], ["Reason"], ["Since"]], stale.files.map((one) =>
      [el("bdi", {}, shown(one.path)), shown(one.shard), shown(one.reason), time(one.since)]))]),
    ...rest(stale),
    el("h2", {}, "History"),
    table([["When"], ["What"], ["Generation", true], ["Before", true], ["Why"]], history.map((one) =>
      [time(one.at), one.action.replaceAll("_", " ") + (one.forced ? ", forced" : ""), String(one.generation),
        one.previous === null ? "" : String(one.previous), shown(one.reason ?? "")])),
  ];
}

function rest({ total, files }) {
  return total > files.length ? [el("p", {}, `The first ${count(files.length)} of ${count(total)}; \`xtr-assets status --json\` has all.`)] : [];
}

function time(text) {
  const parsed = new Date(text);
  return Number.isNaN(parsed.getTime()) ? text : parsed.toLocaleString("sv", { timeZoneName: "short" });
}

function bytes(number) {
  const at = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, number)) / 3)));
  return `${(number / 1000 ** at).toFixed(at ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][at]}`;
}
