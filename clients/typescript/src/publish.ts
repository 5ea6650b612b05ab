import { ApiError, type ErrorBody, RungError } from "./errors.js";
import { type Answer, type CallOptions, errorBodyOf, type Http, isObject, parse, type RequestOptions, toJson } from "./http.js";
import type { Published, PublishEventRequest } from "./types.js";

/** What became of one event of a batch. */
export type PublishResult =
  | { success: true; status: number; duplicate: boolean; data: Published }
  | { success: false; status: number; duplicate: boolean; error: ErrorBody };

/** A part of a batch was neither accepted nor refused event by event. Publish again what has no result, with the same ids. */
export class PublishError extends RungError {
  override name = "PublishError";
  /** One per event, in order; null where it is unknown whether the event was accepted. */
  readonly results: readonly (PublishResult | null)[];

  constructor(cause: RungError, results: readonly (PublishResult | null)[]) {
    const open = results.filter((result) => result === null).length;
    super(`${open} of ${results.length} events have no result: ${cause.message}`, cause.retryable, { cause });
    this.results = results;
  }
}

/** What Rung takes in one request. */
const MAX_EVENTS = 100;
const MAX_BYTES = 1024 * 1024;
const ENVELOPE = ['{"events":[', "]}"] as const;

/** Some events as JSON, the place of the first in the batch, and whether each of them has an id. */
interface Part {
  start: number;
  bodies: string[];
  areNamed: boolean;
}

/**
 * Publishes one event. Its id makes a repeat harmless; without one, the `Idempotency-Key` does. Rung refuses both together.
 */
export async function publish(http: Http, event: PublishEventRequest, options: CallOptions = {}): Promise<Published> {
  return http.call(["event"], "POST", "/v1/events", { ...options, body: event, ...(hasId(event) && { idempotencyKey: null }) });
}

/** Publishes events in as few requests as the limits allow, and returns one result per event, in order. */
export async function publishBatch(http: Http, events: readonly PublishEventRequest[], options: CallOptions = {}): Promise<PublishResult[]> {
  const results: (PublishResult | null)[] = events.map(() => null);
  const key = options.idempotencyKey ?? crypto.randomUUID();
  if (typeof key !== "string" || key === "") throw new TypeError("idempotencyKey: must be a text, and not empty");
  for (const [number, part] of split(events).entries()) {
    // Ids are enough to make a repeat harmless.
    const idempotencyKey = part.areNamed ? null : `${key}-${number}`;
    try {
      const answered = await publishPart(http, part, { ...options, idempotencyKey });
      results.splice(part.start, answered.length, ...answered);
    } catch (error) {
      throw error instanceof RungError ? new PublishError(error, results) : error;
    }
  }
  return results as PublishResult[];
}

function hasId(event: PublishEventRequest): boolean {
  return event.id !== undefined && event.id !== null;
}

/** The events in parts that are small enough. */
function split(events: readonly PublishEventRequest[]): Part[] {
  const parts: Part[] = [];
  let bytes = Infinity;
  for (const [place, event] of events.entries()) {
    const body = toJson(event);
    const size = new TextEncoder().encode(body).length + 1;
    let part = parts.at(-1);
    if (part === undefined || part.bodies.length === MAX_EVENTS || bytes + size > MAX_BYTES) {
      part = { start: place, bodies: [], areNamed: true };
      parts.push(part);
      bytes = ENVELOPE.join("").length - 1; // One comma less than events.
    }
    part.bodies.push(body);
    part.areNamed &&= hasId(event);
    bytes += size;
  }
  return parts;
}

/** One result per event of the part. Errors name events by their places in the batch. */
async function publishPart(http: Http, { start, bodies }: Part, options: RequestOptions): Promise<PublishResult[]> {
  const answer = await http.send("POST", "/v1/events/batch", { ...options, body: ENVELOPE.join(bodies.join(",")) });
  const results = resultsOf(answer, bodies.length);
  if (results !== undefined) {
    return results.map((result) => (result.success ? result : { ...result, error: moved(errorBodyOf(answer, result.error), start) }));
  }
  const error = moved(errorBodyOf(answer, parse(answer.body)["error"]), start);
  if (answer.status !== 413 || bodies.length > 1) throw new ApiError(answer.status, error);
  return [{ success: false, status: 413, duplicate: false, error }];
}

/** The results of a part, all, some or none of which was accepted. */
function resultsOf({ status, body }: Answer, count: number): PublishResult[] | undefined {
  const data = parse(body)["data"];
  const results = isObject(data) ? data["results"] : undefined;
  const are = (status === 202 || status === 207 || status === 422) && Array.isArray(results) && results.length === count && results.every(isResult);
  return are ? results : undefined;
}

function isResult(result: unknown): result is PublishResult {
  return isObject(result) && isObject(result["success"] === true ? result["data"] : result["error"]);
}

/** The error of a part as one of the batch, in which the part's first event has that place. */
function moved(error: ErrorBody, by: number): ErrorBody {
  const field = (name: string) => name.replace(/^events\[(\d{1,9})\]/, (_, place: string) => `events[${Number(place) + by}]`);
  // All at once, the longest first: what one has become is not another's.
  const names = error.details.map((detail) => detail.field).sort((a, b) => b.length - a.length);
  const pattern = new RegExp(names.map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|"), "g");
  const message = names.length === 0 ? error.message : error.message.replace(pattern, field);
  return { ...error, message, details: error.details.map((detail) => ({ ...detail, field: field(detail.field) })) };
}
