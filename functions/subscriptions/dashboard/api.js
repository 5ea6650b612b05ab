// The calls of the API. The key is kept in this tab's session alone, and goes nowhere but into the header of a call.

const KEPT = "rung.session";
/** The token of a link that has not been signed in with yet. */
const ARRIVING = "rung.arriving";
/** What is known of the portal link that led here, after its session too. */
const PORTAL = "rung.portal";

/** The tab's storage, or this page's memory where a browser gives a frame none. */
export const kept = (() => {
  try {
    sessionStorage.getItem(KEPT);
    return sessionStorage;
  } catch {
    const memory = new Map();
    return { getItem: (name) => memory.get(name) ?? null, setItem: (name, value) => memory.set(name, value), removeItem: (name) => memory.delete(name) };
  }
})();

/**
 * Who is signed in: the key or a portal link's token, what it can do, whether the tenant's plan has no webhooks, whether it is an
 * operator's or a link's, the tenant, the only webhook that it shows, when it ends by the browser's clock and how long it lives,
 * and where it leads back to.
 */
export function session() {
  try {
    return JSON.parse(kept.getItem(KEPT));
  } catch {
    return null;
  }
}

const leaving = [];

/** Has something forgotten when whoever is signed in signs out. */
export const onSignOut = (forget) => leaving.push(forget);

export function signOut() {
  kept.removeItem(KEPT);
  kept.removeItem(ARRIVING);
  for (const forget of leaving) forget();
}

/** Keeps the token of a link until it is known to be good or not: nobody answering is no reason to lose it. */
export function arriveWith(token) {
  signOut();
  kept.setItem(ARRIVING, token);
  kept.setItem(PORTAL, "{}");
}

/** The token of a link that is to be signed in with. */
export const arriving = () => kept.getItem(ARRIVING);

/** Where the link leads back to that was the last in this tab, and whether it `ended`; `null` where there was none. */
export const lastLink = () => JSON.parse(kept.getItem(PORTAL));

/** Ends the session of a link, because the link has ended or because somebody wants to. */
export function signOutOfLink(ended) {
  signOut();
  kept.setItem(PORTAL, JSON.stringify({ ...lastLink(), ended }));
}

/** An error as the API tells it. */
export class ApiError extends Error {
  constructor(status, { code, message, details }) {
    super(message);
    Object.assign(this, { status, code, details: details ?? [] });
  }
}

/** The path of a call with its parameters filled in; they may come from an address that somebody else has written. */
function filled(path, params) {
  return path.replace(/\{(\w+)\}/g, (_, name) => {
    // Event types have slashes in them, which stay.
    const parts = name === "type" ? params[name].split("/") : [params[name]];
    // Dots would lead to another path.
    if (parts.some((part) => /^\.{0,2}$/.test(part))) throw new ApiError(404, { code: "not_found", message: `${name} "${params[name]}" not found` });
    return parts.map(encodeURIComponent).join("/");
  });
}

// ---- Calls that change something are made once

/** So long after its answer, the same call is a second click and not a second wish. */
const AGAIN_MS = 1_000;
/** So long a call that nobody answered may have been made all the same. */
const UNSURE_MS = 300_000;

/** Of calls that are under way or were just answered, the answer; of those that got none, the key that they went with. */
const made = new Map();
onSignOut(() => made.clear());

/** Letters that nobody guesses; `randomUUID` is only there over HTTPS. */
const someKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Makes a call by `make`, which is given an `Idempotency-Key`; the same call at once gets the same answer. */
export function once(name, make) {
  const before = made.get(name);
  if (before?.answer) return before.answer;
  for (const [other, { isOver }] of made) if (isOver) made.delete(other);
  const one = { key: before?.key ?? someKey() };
  const forget = () => { if (made.get(name) === one) made.delete(name); };
  made.set(name, one);
  one.answer = make(one.key);
  one.answer.then(() => {
    one.isOver = true;
    setTimeout(forget, AGAIN_MS);
  }, ({ status, code }) => {
    one.answer = undefined;
    if (status > 0 && status < 500 && code !== "busy") forget();
    else setTimeout(forget, UNSURE_MS);
  });
  return one.answer;
}

/**
 * Makes a call such as "GET /v1/webhooks/{webhook}", with a key if there is one.
 * Answers its data, the text that the data was read from, the version of what was read, and the server's time.
 * With `ifMatch`, a change is refused if somebody else has changed it since that version; with `ifNone`, if it is there already. With
 * `repeat`, an `Idempotency-Key`, it is made once, however often it is asked for.
 */
export async function request(key, call, { params, query, body, tenant, signal, ifMatch, ifNone, repeat } = {}) {
  const [method, path] = call.split(" ");
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (tenant) headers["Rung-Tenant"] = encodeURIComponent(tenant);
  if (ifMatch) headers["If-Match"] = ifMatch;
  if (ifNone) headers["If-None-Match"] = "*";
  if (repeat) headers["Idempotency-Key"] = repeat;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const asked = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value)).toString();
  const url = `.${filled(path, params)}${asked && `?${asked}`}`;
  let response, text, answer;
  try {
    response = await fetch(url, {
      method, headers, signal, cache: "no-store", credentials: "omit", redirect: "error",
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { code: "unreachable", message: "no answer" });
  }
  try {
    answer = JSON.parse(text);
  } catch {
    // Not from Rung, but from what stands before it.
    answer = { error: { code: "no_json", message: `unexpected response: status ${response.status} without JSON` } };
  }
  if (answer.success) return { data: answer.data, text, etag: response.headers.get("etag"), at: Date.parse(response.headers.get("date")) };
  const error = answer.error ?? { code: "unknown", message: answer.message ?? `unexpected response: status ${response.status}` };
  throw new ApiError(response.status, error);
}

/** What the API is, in OpenAPI: it takes no key. */
export const description = async () => (await fetch("./openapi.json", { credentials: "omit", redirect: "error" })).json();

/** English now is better than another language later. */
const SENTENCES_MS = 4_000;

/** The sentences at an address of the operator's; none if it does not answer with them. */
export async function sentencesAt(address) {
  try {
    const response = await fetch(address, { credentials: "omit", referrerPolicy: "no-referrer", signal: AbortSignal.timeout(SENTENCES_MS) });
    return Object.fromEntries(Object.entries(await response.json()).filter(([, sentence]) => typeof sentence === "string"));
  } catch {
    return {};
  }
}

/** Finds out whose key or link it is, and keeps it. */
export async function signIn(key) {
  // A header is one line of Latin letters; anything else would fail without saying why.
  if (!/^[\x21-\x7e]+$/.test(key)) throw new ApiError(0, { code: "invalid_key", message: "a key consists of printable ASCII characters without spaces" });
  const { data: { key: known, portal_link: link, plan_has_webhooks: planned }, at } = await request(key, "GET /v1/me");
  // The browser's clock may be wrong: what a link has left is counted by the server's, and how long it lives from its own times.
  const ends = link && Date.parse(link.expires_at) + (Date.now() - (at || Date.now()));
  kept.removeItem(ARRIVING);
  if (link) kept.setItem(PORTAL, JSON.stringify({ back: link.return_url }));
  kept.setItem(KEPT, JSON.stringify({
    key,
    can: (link ? ofLink(link) : known.scopes.flatMap((scope) => OF_SCOPES[scope] ?? [])).filter((what) => what !== "add" || planned !== false),
    unplanned: planned === false,
    operator: known?.tenant_id === null,
    link: Boolean(link),
    tenant: (link ?? known).tenant_id,
    webhook: link?.webhook_id,
    ends, life: link && Date.parse(link.expires_at) - Date.parse(link.created_at),
    back: link?.return_url,
  }));
}

/** What the page offers to keys, by their scopes: `total` is what spans all webhooks, `secret` reads one. */
const OF_SCOPES = {
  read: ["read", "types", "total", "audit"],
  manage: ["read", "types", "total", "audit", "manage", "add", "test", "rotate"],
  publish: ["publish"],
  catalogue: ["types", "define"],
  admin: ["read", "types", "total", "audit", "manage", "add", "test", "rotate", "secret", "publish", "define", "admin"],
};

/** The same for portal links, by their capabilities. */
const OF_LINKS = { view: ["read", "types"], manage: ["manage"], secrets: ["rotate", "secret"], test: ["test"] };

function ofLink({ capabilities, webhook_id }) {
  const can = capabilities.flatMap((capability) => OF_LINKS[capability] ?? []);
  if (!webhook_id) can.push("total", ...(capabilities.includes("manage") ? ["add"] : []));
  return can;
}

/** Whether whoever is signed in may do this. The API decides; the page hides what would be refused. */
export const can = (what) => session()?.can.includes(what) ?? false;
