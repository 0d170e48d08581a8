// Questions to the server that the page came from. A token stays in this tab: sessionStorage, never an address.

const BASE = new URL(".", document.baseURI);
const KEY = "xtr-assets-token";
let held = null;

/** What a server refused; `status` is 0 where none answered. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function token() {
  try {
    return sessionStorage.getItem(KEY) ?? held;
  } catch {
    return held; // A browser that stores nothing: until the page is left.
  }
}

export function keepToken(given) {
  held = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // As above.
  }
}

export function forgetToken() {
  held = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

/** The JSON of an answer, and its status. Raises Refused, and AbortError where `signal` ended it. */
export async function ask(path, { index = "", query = {}, body = null, post = false, generation = null, signal = null, allow = [] } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries({ ...query, index })) if (value !== "") url.searchParams.set(name, value);
  const headers = { accept: "application/json" };
  if (token() !== null) headers.authorization = `Bearer ${token()}`;
  if (body !== null) headers["content-type"] = "application/json";
  if (generation !== null) headers["xtr-generation"] = String(generation);
  let answer;
  try {
    answer = await fetch(url, {
      method: body === null && !post ? "GET" : "POST",
      headers, signal, credentials: "same-origin", redirect: "error", cache: "no-store",
      body: body === null ? null : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "No answer: the server is stopped, or the network is gone.");
  }
  let said = null;
  try {
    said = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if ((answer.ok || allow.includes(answer.status)) && said !== null) return said;
  throw new Refused(answer.status, said?.error?.message ?? `The server answered ${answer.status}.`);
}
