import { ApiError, ConnectionError, type ErrorBody, RungError } from "./errors.js";

/** What a client is made with. */
export interface Options {
  /** Where Rung is, such as `https://hooks.example.com`. */
  url: string;
  /** An operator's, a tenant's or a portal's key. */
  key: string;
  /** With an operator's key: the tenant to act for. */
  tenant?: string;
  /** How often a request is repeated after 429, 503, another retryable error or a failed connection. Default 4. */
  maxRetries?: number;
  /** How long one attempt may take. Default 30,000. */
  timeoutMs?: number;
  /** Serves in place of the global `fetch`. */
  fetch?: typeof fetch;
}

/** What any call takes as its last argument. */
export interface CallOptions {
  /** Repeats with the same key take effect once. Default: a new one for every call, kept over its retries. */
  idempotencyKey?: string;
  /** Only if the resource still has this `ETag`. */
  ifMatch?: string;
  /** `*`: only if the resource is not there yet. */
  ifNoneMatch?: string;
  /** More headers, such as `traceparent`, or `Rung-Hops` of the delivery that a published event results from. */
  headers?: Readonly<Record<string, string>>;
  /** Ends the call early. */
  signal?: AbortSignal;
}

/** What a request sends. */
export interface RequestOptions extends Omit<CallOptions, "idempotencyKey"> {
  query?: object | undefined;
  /** A string is JSON already. */
  body?: unknown;
  /** null: none, also with POST. */
  idempotencyKey?: string | null;
}

/** An answer, of success or of an error. */
export interface Answer {
  status: number;
  headers: Headers;
  body: string;
}

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** What asks for a longer wait is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;
const RETRIED_STATUSES = [429, 502, 503, 504];

/** JSON of a value. What JSON has no number for is a mistake; `JSON.stringify` makes it null. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (name, member: unknown) => {
    if (typeof member === "number" && !Number.isFinite(member)) throw new TypeError(`${name}: must be a finite number, not ${member}`);
    return member;
  });
}

/** Sends requests: with credentials, time limits and retries. */
export class Http {
  readonly #key: string;
  readonly #base: string;
  readonly #options: Options;

  constructor(options: Options) {
    const { protocol, username, password, search, hash } = new URL(options.url);
    if (!/^https?:$/.test(protocol) || username || password || search || hash) {
      throw new TypeError("url: must be http or https, without user information, query or fragment");
    }
    if (!/^[\x21-\x7e]+$/.test(options.key)) throw new TypeError("key: must be printable ASCII without blanks");
    this.#key = options.key;
    this.#base = options.url.replace(/\/+$/, "");
    this.#options = options;
  }

  /** The same, acting for a tenant. */
  forTenant(tenant: string): Http {
    return new Http({ ...this.#options, tenant });
  }

  /** Sends a request, repeats it where that may help, and returns `data` of the answer. */
  async call<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const answer = await this.send(method, path, options);
    const data = parse(answer.body)?.data;
    if (answer.status >= 300 || data === undefined) throw errorOf(answer);
    return data as T;
  }

  /** Sends a request and repeats it where that may help. Returns the last answer, whatever its status. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const url = this.#base + path + search(options.query);
    const headers = this.#headers(method, options);
    const body = options.body === undefined ? null : typeof options.body === "string" ? options.body : toJson(options.body);
    const { maxRetries = 4 } = this.#options;
    for (let retry = 0; ; retry += 1) {
      const outcome = await this.#attempt(url, { method, headers, body }, options.signal);
      const delay = retry < maxRetries ? delayMs(outcome, retry) : undefined;
      if (delay !== undefined) await sleep(delay, options.signal);
      else if (outcome instanceof ConnectionError) throw outcome;
      else return outcome;
    }
  }

  #headers(method: string, options: RequestOptions): Headers {
    const { ifMatch, ifNoneMatch, idempotencyKey = method === "POST" ? crypto.randomUUID() : null } = options;
    const headers = {
      "content-type": options.body === undefined ? null : "application/json",
      ...options.headers,
      authorization: `Bearer ${this.#key}`,
      "rung-tenant": this.#options.tenant,
      "idempotency-key": idempotencyKey,
      "if-match": ifMatch,
      "if-none-match": ifNoneMatch,
    };
    return new Headers(Object.entries(headers).filter((header): header is [string, string] => typeof header[1] === "string"));
  }

  async #attempt(url: string, init: RequestInit, signal?: AbortSignal): Promise<Answer | ConnectionError> {
    const { fetch = globalThis.fetch, timeoutMs = 30_000 } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, { ...init, redirect: "manual", signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
      return { status: response.status, headers: response.headers, body: await response.text() };
    } catch (cause) {
      signal?.throwIfAborted();
      const reason = timeout.aborted ? `no answer within ${timeoutMs} ms` : "the connection failed";
      return new ConnectionError(`${init.method} ${new URL(url).pathname}: ${reason}`, { cause });
    }
  }
}

/** An answer as an error; what did not come from Rung has the code `unexpected_answer`. */
export function errorOf({ status, headers, body }: Answer): ApiError {
  const retryable = RETRIED_STATUSES.includes(status);
  const error = parse(body)?.error;
  if (error?.code !== undefined) return new ApiError(status, { retryable, request_id: null, details: [], message: "", ...error, code: error.code });
  const message = "unexpected answer (not from Rung)";
  return new ApiError(status, { code: "unexpected_answer", message, request_id: headers.get("x-request-id"), retryable, details: [] });
}

/** A body as an object; null if it is none. */
export function parse(body: string): { data?: unknown; error?: Partial<ErrorBody> } | null {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** How long to wait before the next attempt; undefined if another one would not help. */
function delayMs(outcome: Answer | ConnectionError, retry: number): number | undefined {
  const jitter = Math.random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** retry);
  if (outcome instanceof RungError) return jitter;
  if (outcome.status < 400 || !errorOf(outcome).retryable) return undefined;
  const asked = retryAfterMs(outcome.headers.get("retry-after"));
  return asked > MAX_RETRY_AFTER_MS ? undefined : asked + jitter;
}

/** `Retry-After` in either form; 0 if there is none. */
function retryAfterMs(value: string | null): number {
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? ms : 0;
}

/** Waits, or fails as soon as the signal does. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** A query; members of an object are named with a dot, and null and undefined are left out. */
function search(query: object = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    typeof value === "object" && value !== null ? Object.entries(value).map(([member, one]) => [`${name}.${member}`, one]) : [[name, value]],
  );
  const given = pairs.filter(([, value]) => value !== undefined && value !== null).map(([name, value]) => [name, String(value)]);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** A path with its parameters encoded; those of a list are segments of their own. */
export function path(parts: TemplateStringsArray, ...parameters: (string | readonly string[])[]): string {
  return String.raw({ raw: parts }, ...parameters.map((parameter) => [parameter].flat().map(segment).join("/")));
}

function segment(name: string): string {
  // They would lead to another resource.
  if (["", ".", ".."].includes(name)) throw new TypeError(`"${name}" is no id`);
  return encodeURIComponent(name);
}
