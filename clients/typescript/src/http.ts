import { ApiError, ConnectionError, type ErrorBody, type ErrorDetail, RungError } from "./errors.js";

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
/** The longest time that timers take. */
const MAX_TIMER_MS = 2 ** 31 - 1;
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
    const { key, maxRetries = 0, timeoutMs = 1 } = options;
    if (typeof key !== "string" || !/^[\x21-\x7e]+$/.test(key)) throw new TypeError("key: must be printable ASCII without blanks, and not empty");
    // Without the header an operator's key would act for the whole deployment.
    if ("tenant" in options && (typeof options.tenant !== "string" || !/^[\w-]{1,64}$/.test(options.tenant))) {
      throw new TypeError("tenant: must be 1 to 64 characters from A-Z, a-z, 0-9, `_` and `-`");
    }
    if (!Number.isInteger(maxRetries) || maxRetries < 0) throw new TypeError("maxRetries: must be a whole number, at least 0");
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMER_MS) {
      throw new TypeError(`timeoutMs: must be a whole number from 1 to ${MAX_TIMER_MS}`);
    }
    this.#key = key;
    this.#base = baseOf(options.url);
    this.#options = options;
  }

  /** The same, acting for a tenant. */
  forTenant(tenant: string): Http {
    return new Http({ ...this.#options, tenant });
  }

  /** Sends a request, repeats it where that may help, and returns `data` of the answer, which must have these members. */
  async call<T>(members: readonly string[], method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const answer = await this.send(method, path, options);
    const data = parse(answer.body)["data"];
    if (answer.status >= 300 || !isObject(data) || members.some((name) => data[name] === undefined)) throw errorOf(answer);
    return data as T;
  }

  /** The same, of which it returns one member. */
  async one<T>(member: string, method: string, path: string, options?: RequestOptions): Promise<T> {
    return (await this.call<Record<string, T>>([member], method, path, options))[member] as T;
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
    const given = Object.entries(headers).filter((header) => header[1] !== undefined && header[1] !== null);
    for (const [name, value] of given) {
      // Without `if-match` a call would change what it should not.
      if (typeof value !== "string" || value.trim() === "") throw new TypeError(`${name}: must be a text, and not empty`);
    }
    return new Headers(given as [string, string][]);
  }

  async #attempt(url: string, init: RequestInit, signal?: AbortSignal): Promise<Answer | ConnectionError> {
    const { fetch = globalThis.fetch, timeoutMs = 30_000 } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, { ...init, redirect: "manual", signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
      return { status: response.status, headers: response.headers, body: await response.text() };
    } catch (cause) {
      signal?.throwIfAborted();
      const reason = timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(cause);
      return new ConnectionError(`${init.method} ${url.split("?", 1)[0]}: ${reason}`, { cause });
    }
  }
}

function baseOf(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || /[?#\s]/.test(given)) {
    throw new TypeError("url: must be http or https with a host, without user information, query, fragment or blanks");
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

/** The innermost cause says most: `fetch` itself only that it failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return inner === undefined ? error.message : reasonOf(inner);
}

/** An answer as an error. */
export function errorOf(answer: Answer): ApiError {
  return new ApiError(answer.status, errorBodyOf(answer, parse(answer.body)["error"]));
}

/** What was found in the place of an error. What did not come from Rung has the code `unexpected_answer`. */
export function errorBodyOf(answer: Answer, found: unknown): ErrorBody {
  const { code, message, request_id, retryable, details } = isObject(found) && typeof found["code"] === "string" ? found : ({} as Record<string, unknown>);
  return {
    code: typeof code === "string" ? code : "unexpected_answer",
    message: typeof message === "string" ? message : unexpected(answer),
    request_id: typeof request_id === "string" ? request_id : answer.headers.get("x-request-id"),
    retryable: typeof retryable === "boolean" ? retryable : RETRIED_STATUSES.includes(answer.status),
    details: Array.isArray(details) ? details.filter(isDetail) : [],
  };
}

function unexpected({ status, headers }: Answer): string {
  const location = headers.get("location");
  // A browser does not show where to: the status is 0.
  if (status !== 0 && (status < 300 || status >= 400 || location === null)) return "unexpected answer (not from Rung)";
  return `redirected to ${location ?? "elsewhere"}; redirects are not followed: name the URL of Rung itself`;
}

function isDetail(detail: unknown): detail is ErrorDetail {
  return isObject(detail) && ["field", "code", "problem"].every((name) => typeof detail[name] === "string");
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A body as an object; an empty one if it is none. */
export function parse(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : {};
  } catch {
    return {};
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

function segment(name: unknown): string {
  // They would lead to another resource.
  if (typeof name !== "string" || ["", ".", ".."].includes(name)) throw new TypeError(`${JSON.stringify(name)} is no id`);
  return encodeURIComponent(name);
}
