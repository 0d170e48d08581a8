// Strings, comments, keywords and numbers of code, by one regular expression a family of languages.

const WORDS = {
  python: "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield None True False self",
  c: "abstract as async auto await bool boolean break byte case catch char class const constexpr continue default defer delete do double else enum export extends extern false final finally float fn for foreach friend func function go goto if impl implements import in inline instanceof int interface internal let long loop match mod module mut namespace new nil null nullptr operator override package private protected pub public readonly record ref return self short signed sizeof static struct super switch template this throw throws trait true try type typedef typename typeof union unsafe unsigned use using var virtual void volatile where while yield",
  hash: "begin break case class continue def do done echo elif else elsif end esac exit export false fi for function if in include local module nil not null or require rescue return self set then true unless until when while yield",
};
const QUOTED = String.raw`"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?`;
const FAMILIES = {
  python: [String.raw`"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|` + QUOTED, "#.*"],
  c: ["`(?:\\\\.|[^`\\\\])*`?|" + QUOTED, String.raw`\/\/.*|\/\*[\s\S]*?(?:\*\/|$)`],
  hash: [QUOTED, "#.*"],
};
const SUFFIXES = {
  python: "py pyi pyx",
  c: "c h cc cpp cxx hpp cs cu go java js jsx json kt mjs php proto rs scala swift ts tsx zig",
  hash: "bash pl rb sh toml yaml yml zsh",
};
const FAMILY = new Map(Object.entries(SUFFIXES).flatMap(([family, all]) => all.split(" ").map((one) => [one, family])));
const CLASSES = ["str", "com", "key", "num"];

const patterns = new Map();

function patternOf(family) {
  if (!patterns.has(family)) {
    const [strings, comments] = FAMILIES[family];
    const words = WORDS[family].replaceAll(" ", "|");
    patterns.set(family, new RegExp(`(${strings})|(${comments})|\\b(${words})\\b|\\b(\\d[\\w.]*)`, "g"));
  }
  return patterns.get(family);
}

/** Whether a file is code that is shown in its colours. */
export const isCode = (path) => FAMILY.has(path.slice(path.lastIndexOf(".") + 1).toLowerCase());

/** [start, end, class] of what is coloured, in order. */
export function syntaxRuns(text, path) {
  const family = FAMILY.get(path.slice(path.lastIndexOf(".") + 1).toLowerCase());
  if (family === undefined) return [];
  return Array.from(text.matchAll(patternOf(family)), (found) => {
    const kind = CLASSES[found.slice(1).findIndex((group) => group !== undefined)];
    return [found.index, found.index + found[0].length, kind];
  });
}
