import { type ErrorBody, RungError } from "./errors.js";
import { type Answer, type CallOptions, errorOf, type Http, parse, type RequestOptions, toJson } from "./http.js";
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

/** Some events as JSON, their places in the batch, and whether each of them has an id. */
interface Part {
  places: number[];
  bodies: string[];
  areNamed: boolean;
}

/**
 * Publishes one event. Its id makes a repeat harmless; without one, the `Idempotency-Key` does. Rung refuses both together.
 */
export async function publish(http: Http, event: PublishEventRequest, options: CallOptions = {}): Promise<Published> {
  return http.call("POST", "/v1/events", { ...options, body: event, ...(hasId(event) && { idempotencyKey: null }) });
}

/** Publishes events in as few requests as the limits allow, and returns one result per event, in order. */
export async function publishBatch(http: Http, events: readonly PublishEventRequest[], options: CallOptions = {}): Promise<PublishResult[]> {
  const results: (PublishResult | null)[] = events.map(() => null);
  const key = options.idempotencyKey ?? crypto.randomUUID();
  for (const [number, { places, bodies, areNamed }] of split(events).entries()) {
    // Ids are enough to make a repeat harmless.
    const idempotencyKey = areNamed ? null : `${key}-${number}`;
    try {
      const answered = await publishPart(http, bodies, { ...options, idempotencyKey });
      for (const [index, place] of places.entries()) results[place] = answered[index] ?? null;
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
      part = { places: [], bodies: [], areNamed: true };
      parts.push(part);
      bytes = ENVELOPE.join("").length - 1; // One comma less than events.
    }
    part.places.push(place);
    part.bodies.push(body);
    part.areNamed &&= hasId(event);
    bytes += size;
  }
  return parts;
}

async function publishPart(http: Http, bodies: readonly string[], options: RequestOptions): Promise<PublishResult[]> {
  const answer = await http.send("POST", "/v1/events/batch", { ...options, body: ENVELOPE.join(bodies.join(",")) });
  const results = resultsOf(answer);
  if (results !== undefined) return results;
  const error = errorOf(answer);
  if (answer.status !== 413 || bodies.length > 1) throw error;
  const { code, message, requestId, retryable, details } = error;
  return [{ success: false, status: 413, duplicate: false, error: { code, message, request_id: requestId, retryable, details } }];
}

/** The results of a part, all, some or none of which was accepted. */
function resultsOf({ status, body }: Answer): PublishResult[] | undefined {
  if (status !== 202 && status !== 207 && status !== 422) return undefined;
  return (parse(body)?.data as { results?: PublishResult[] } | undefined)?.results;
}
