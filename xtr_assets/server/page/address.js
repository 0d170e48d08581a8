// What the page shows is its address: whoever opens the link sees the same.

const DEFAULTS = { view: "search", q: "", mode: "hybrid", beside: "", source: "", kind: "", path: "", k: "10", syntax: "terms", collapse: "text", other: "", index: "" };

export function readAddress() {
  const given = new URLSearchParams(location.search);
  const state = Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, given.get(name) ?? value]));
  // A generation becomes part of a path that is asked with the reader's token: `../..` in a link would lead it elsewhere.
  return { ...state, other: /^\d{1,15}$/.test(state.other) ? state.other : "" };
}

/** The address of a state, relative to the page. */
export function addressOf(state) {
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(DEFAULTS)) if (state[name] !== value) told.set(name, state[name]);
  const text = told.toString();
  return text === "" ? location.pathname : `?${text}`;
}

/** Make it the page's; a question asked again makes no second entry in the browser's history. */
export function writeAddress(state) {
  const address = addressOf(state);
  if (address === (location.search || location.pathname)) return;
  history.pushState(null, "", address);
}

/** The filter of a state, as `where` takes it. */
export function whereOf({ source, kind, path }) {
  return {
    ...(source === "" ? {} : { source }),
    ...(kind === "" ? {} : { kind }),
    ...(path === "" ? {} : { path: { prefix: path } }),
  };
}
