// The calls of the API. The key is kept in this tab's session alone, and goes nowhere but into the header of a call.

const KEPT = "rung.session";

/** Who is signed in: the key, its scopes, and whether it is an operator's. */
export function session() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

export function signOut() {
  sessionStorage.removeItem(KEPT);
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

/**
 * Makes a call such as "GET /v1/webhooks/{webhook}".
 * Answers its data, the text that the data was read from, and the version of what was read.
 * With `ifMatch`, a change is refused if somebody else has changed it since that version.
 */
export async function request(key, call, { params, query, body, tenant, signal, ifMatch } = {}) {
  const [method, path] = call.split(" ");
  const headers = { Authorization: `Bearer ${key}` };
  if (tenant) headers["Rung-Tenant"] = encodeURIComponent(tenant);
  if (ifMatch) headers["If-Match"] = ifMatch;
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
    throw new ApiError(0, { code: "unreachable", message: "Rung does not respond. Is it running, and are you online?" });
  }
  try {
    answer = JSON.parse(text);
  } catch {
    // Not from Rung, but from what stands before it.
    answer = { error: { code: "no_json", message: `unexpected response: status ${response.status} without JSON` } };
  }
  if (answer.success) return { data: answer.data, text, etag: response.headers.get("etag") };
  const error = answer.error ?? { code: "unknown", message: answer.message ?? `unexpected response: status ${response.status}` };
  throw new ApiError(response.status, error);
}

/** Finds out whose key it is, and keeps it. */
export async function signIn(key) {
  // A header is one line of Latin letters; anything else would fail without saying why.
  if (!/^[\x21-\x7e]+$/.test(key)) throw new ApiError(0, { code: "invalid_key", message: "a key consists of printable ASCII characters without spaces" });
  const { data } = await request(key, "GET /v1/me");
  const { tenant_id, scopes } = data.key;
  sessionStorage.setItem(KEPT, JSON.stringify({ key, scopes, operator: tenant_id === null }));
}

/** What a scope takes in besides itself. */
const WITHIN = { read: ["manage"], publish: [], manage: [], catalogue: [], erase: [], admin: [] };

/** Whether whoever is signed in may do what the scope allows. The API decides; the page hides what would be refused. */
export function can(scope) {
  const held = session()?.scopes ?? [];
  return [scope, "admin", ...WITHIN[scope]].some((name) => held.includes(name));
}
