// The transport, against answers that are made up.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { inspect } from "node:util";
import { ApiError, ConnectionError, PublishError, type PublishResult, Rung, RungError } from "rung-client";
import type { PublishEventRequest } from "rung-client/types";

const KEY = "rk_a-secret-that-nobody-may-see";
const MIB = 1024 * 1024;

interface Sent {
  url: URL;
  headers: Headers;
  body: string;
}

/** A client, and the requests to which it got these answers, one after another. An error is a failed connection. */
function answering(...answers: (Response | Error)[]): { rung: Rung; requests: Sent[] } {
  const left = [...answers];
  return recording(() => left.shift() ?? assert.fail("one request too many"));
}

function recording(answer: (request: Sent) => Response | Error): { rung: Rung; requests: Sent[] } {
  const requests: Sent[] = [];
  const rung = new Rung({
    url: "http://rung.test/",
    key: KEY,
    fetch: async (url, init) => {
      init?.signal?.throwIfAborted();
      const sent = { url: new URL(String(url)), headers: new Headers(init?.headers), body: String(init?.body) };
      requests.push(sent);
      const outcome = answer(sent);
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  });
  return { rung, requests };
}

const data = (value: object, status = 200) => Response.json({ success: true, data: value }, { status });

function refused(status: number, code: string, { retryable = false, retryAfter = "" } = {}): Response {
  const details = [{ field: "url", code: "invalid", problem: "no" }];
  const error = { code, message: "url: no", request_id: "req_1", retryable, details };
  return Response.json({ success: false, error }, { status, headers: retryAfter ? { "retry-after": retryAfter } : {} });
}

/** Nobody sleeps: these are the times for which they would have, in milliseconds. The jitter is nearly all of it. */
let slept: number[] = [];
beforeEach(() => {
  slept = [];
  mock.method(Math, "random", () => 1);
  mock.method(globalThis, "setTimeout", ((wake: () => void, ms: number) => {
    slept.push(ms);
    queueMicrotask(wake);
  }) as typeof setTimeout);
});
afterEach(() => mock.restoreAll());

test("an error is typed", async () => {
  const { rung } = answering(refused(422, "invalid_request"));
  await assert.rejects(rung.webhooks.create({ url: "x", events: ["*"] }), (error: unknown) => {
    assert(error instanceof ApiError);
    assert.equal(error.status, 422);
    assert.equal(error.code, "invalid_request");
    assert.equal(error.requestId, "req_1");
    assert.equal(error.retryable, false);
    assert.deepEqual(error.details, [{ field: "url", code: "invalid", problem: "no" }]);
    assert.equal(error.message, "invalid_request (422): url: no");
    return true;
  });
});

test("an answer of somebody else is an error too", async () => {
  const { rung } = answering(new Response("<html>", { status: 502 }), new Response("<html>"));
  await assert.rejects(rung.health(), { name: "ApiError", status: 200, code: "unexpected_answer" });
  assert.deepEqual(slept, [500]);
});

test("every POST has an idempotency key that its retries keep", async () => {
  const made = () => data({ tenant: { id: "a" } }, 201);
  const { rung, requests } = answering(refused(503, "unavailable", { retryable: true }), made(), made(), made());
  await rung.tenants.create({ name: "A" });
  await rung.tenants.create({ name: "A" });
  await rung.tenants.create({ name: "A" }, { idempotencyKey: "mine" });
  const [first, again, second, third] = requests.map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(first, again);
  assert.notEqual(first, second);
  assert.equal(third, "mine");
});

test("an event with an id has no idempotency key", async () => {
  const { rung, requests } = answering(data({ event: {} }, 202), data({ event: {} }, 202));
  await rung.events.publish({ type: "a", data: {} });
  await rung.events.publish({ type: "a", data: {}, id: "1" }, { idempotencyKey: "mine" });
  assert.deepEqual(requests.map(({ headers }) => headers.has("idempotency-key")), [true, false]);
});

test("an event takes the hops of the delivery that it results from along", async () => {
  const { rung, requests } = answering(data({ event: {} }, 202), accepting({ body: '{"events":[{}]}' }));
  await rung.events.publish({ type: "a", data: {} }, { headers: { "Rung-Hops": "1" } });
  await rung.events.publishBatch([{ type: "a", data: {} }], { headers: { "Rung-Hops": "2" } });
  assert.deepEqual(requests.map(({ headers }) => headers.get("rung-hops")), ["1", "2"]);
});

test("what may help is repeated with growing pauses", async () => {
  const busy = refused(409, "busy", { retryable: true });
  const { rung } = answering(new TypeError("no"), new TypeError("no"), busy, new Response("", { status: 504 }), data({ status: "ok" }));
  assert.equal((await rung.health()).status, "ok");
  assert.deepEqual(slept, [500, 1000, 2000, 4000]);
});

test("Retry-After is kept to, and a long one not waited for", async () => {
  const date = new Date(Date.now() + 30_000).toUTCString();
  const limited = ["7", date, "61"].map((retryAfter) => refused(429, "rate_limited", { retryable: true, retryAfter }));
  const { rung } = answering(...limited);
  await assert.rejects(rung.health(), { code: "rate_limited", retryable: true });
  const [seconds, until, ...more] = slept;
  assert.equal(seconds, 7500);
  assert(until !== undefined && until > 29_000 && until <= 31_000, String(until));
  assert.deepEqual(more, []);
});

test("it gives up in the end", async () => {
  const { rung, requests } = answering(...Array.from({ length: 9 }, () => new TypeError("no")));
  await assert.rejects(rung.health(), ConnectionError);
  assert.equal(requests.length, 5);
});

test("a refusal is not repeated", async () => {
  for (const status of [400, 401, 404, 409, 422, 500]) {
    const { rung } = answering(refused(status, "no"));
    await assert.rejects(rung.health(), { status });
  }
  assert.deepEqual(slept, []);
});

test("a signal ends a call", async () => {
  const { rung, requests } = answering(data({}));
  await assert.rejects(rung.health({ signal: AbortSignal.abort(new Error("enough")) }), /enough/);
  assert.equal(requests.length, 0);
});

test("the key is in no text", async () => {
  const { rung } = answering(...Array.from({ length: 9 }, () => new TypeError("no")));
  const error = await rung.webhooks.create({ url: "http://x", events: ["*"], secret: KEY }).catch((error: unknown) => error);
  assert(error instanceof ConnectionError);
  const shown = inspect([rung, rung.webhooks, error], { depth: 10, showHidden: true });
  assert(!shown.includes(KEY), shown);
  assert.throws(() => new Rung({ url: "http://rung.test", key: `${KEY}\n` }), (error: Error) => {
    return error.message.startsWith("key: ") && !error.message.includes(KEY);
  });
});

test("a strange URL is refused", () => {
  for (const url of ["rung.test", "ftp://rung.test", "http://me:pw@rung.test", "http://me:pw@[", "http://rung.test/?", "http://a/#b", "http://", "http://a:99999", "http://a ", "", undefined as unknown as string]) {
    assert.throws(() => new Rung({ url, key: KEY }), (error: Error) => /^url: /.test(error.message) && !error.message.includes("pw"));
  }
});

const NO_TENANTS = ["", " ", "a b", "a\r\nX: y", "acme\n", "ä", "a".repeat(65), "a/b", undefined, null, 7, ["acme"]] as string[];

test("what is no tenant is refused, and never the whole deployment", () => {
  const { rung, requests } = answering();
  for (const tenant of NO_TENANTS) {
    const mistake = { name: "TypeError", message: /^tenant: must be 1 to 64 characters/ };
    assert.throws(() => rung.forTenant(tenant).webhooks.recoverAll(), mistake);
    assert.throws(() => new Rung({ url: "http://rung.test", key: KEY, tenant }), mistake);
  }
  assert.equal(requests.length, 0);
});

test("a client is not made with what makes no sense", () => {
  const wrong = {
    key: [undefined, "", null, 7, "a b", "ä"],
    maxRetries: [-1, 1.5, NaN, null, "4"],
    timeoutMs: [0, -1, NaN, Infinity, 2 ** 31, null],
  };
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      const options = { url: "http://rung.test", key: KEY, [field]: value } as ConstructorParameters<typeof Rung>[0];
      assert.throws(() => new Rung(options), (error: unknown) => error instanceof TypeError && error.message.startsWith(`${field}: must be `));
    }
  }
});

test("a condition or a key that is empty is no call without it", async () => {
  const { rung, requests } = answering();
  const event = { type: "a", data: {} };
  for (const call of [
    () => rung.tenants.put("acme", { name: "A" }, { ifMatch: "" }),
    () => rung.webhooks.delete("w", { ifMatch: "a\r\nb: c" }),
    () => rung.webhooks.delete("w", { ifMatch: 7 as unknown as string }),
    () => rung.events.publish(event, { idempotencyKey: "" }),
    () => rung.events.publishBatch([event], { idempotencyKey: "" }),
  ]) {
    await assert.rejects(call(), TypeError);
  }
  assert.equal(requests.length, 0);
});

test("a redirect is not followed and says where to", async () => {
  const { rung } = answering(new Response(null, { status: 301, headers: { location: "https://rung.test/v1/health" } }));
  await assert.rejects(rung.health(), { name: "ApiError", status: 301, message: /redirected to https:\/\/rung\.test\/v1\/health; redirects are not followed/ });
});

test("an answer without what it must have is an error of the client", async () => {
  const answers = [null, 7, [], {}, { data: null }, { data: [] }, { data: {} }, { error: 7 }, { error: { code: 7 } }];
  const more = [{ error: { code: "no", details: 7, message: null, retryable: "yes" } }, { data: { results: [7] } }, { data: { results: [] } }, { data: { results: [{ success: true }] } }];
  for (const status of [200, 202, 207, 302, 404, 413, 422]) {
    for (const answer of [...answers, ...more]) {
      const calls = [
        (rung: Rung) => rung.tenants.create({ name: "A" }),
        (rung: Rung) => rung.tenants.list().page(),
        (rung: Rung) => rung.webhooks.activate("w"),
        (rung: Rung) => rung.webhooks.secret("w"),
        (rung: Rung) => rung.me(),
        (rung: Rung) => rung.egressIps(),
        (rung: Rung) => rung.exports.import(["{}"]),
        (rung: Rung) => rung.events.publish({ type: "a", data: {} }),
        (rung: Rung) => rung.events.publishBatch(events(2)),
      ];
      for (const call of calls) {
        const { rung } = answering(Response.json(answer, { status }));
        await assert.rejects(call(rung), RungError, `${call}: ${status} ${JSON.stringify(answer)}`);
      }
    }
  }
});

test("errors name events by their places in the batch", async () => {
  const detail = (place: number) => ({ field: `events[${place}].type`, code: "unknown", problem: "no" });
  const { rung } = recording((request) => {
    const sent = eventsOf(request);
    const message = "events[1].type: no; events[10].type: no";
    if (sent.length === 50) return Response.json({ error: { code: "invalid_request", message, details: [detail(1), detail(10)] } }, { status: 422 });
    const error = { code: "unknown_event_type", message: "events[20].type: no", details: [detail(20)] };
    const refusal = { success: false, status: 422, duplicate: false, error };
    const taken = (event: object) => ({ success: true, status: 202, duplicate: false, data: { event } });
    return data({ results: sent.map((event, index) => (index === 20 ? refusal : taken(event))) }, 207);
  });
  await assert.rejects(rung.events.publishBatch(events(250)), (error: unknown) => {
    assert(error instanceof PublishError);
    for (const place of [20, 120]) {
      const result: PublishResult | null | undefined = error.results[place];
      assert(result?.success === false);
      assert.equal(result.error.message, `events[${place}].type: no`);
      assert.deepEqual(result.error.details, [detail(place)]);
    }
    assert(error.cause instanceof ApiError);
    assert.deepEqual(error.cause.details, [detail(201), detail(210)]);
    assert.equal(error.cause.message, "invalid_request (422): events[201].type: no; events[210].type: no");
    return true;
  });
});

interface Order {
  total: number;
}

test("data may have a type of its own", async () => {
  const { rung, requests } = answering(data({ event: {} }, 202));
  const order: Order = { total: 42 };
  await rung.events.publish({ type: "order.paid", data: order, metadata: order });
  assert.deepEqual(JSON.parse(requests[0]?.body ?? "").data, { total: 42 });
});

test("paths and queries are encoded", async () => {
  const { rung, requests } = answering(data({ event_type: {} }), data({ tenants: [], next_cursor: null }));
  await rung.forTenant("acme").eventTypes.get("a/b c?");
  await rung.tenants.list({ limit: 5, q: "a&b", metadata: { region: "eu" } }).page();
  assert.equal(requests[0]?.url.pathname, "/v1/event-types/a/b%20c%3F");
  assert.equal(requests[0]?.headers.get("rung-tenant"), "acme");
  assert.deepEqual(Object.fromEntries(requests[1]?.url.searchParams ?? []), { limit: "5", q: "a&b", "metadata.region": "eu" });
});

test("what is no id is not sent", async () => {
  const { rung, requests } = answering(data({ job: {} }));
  for (const id of ["", ".", "..", undefined as unknown as string, null as unknown as string]) {
    await assert.rejects(rung.tenants.delete(id), { name: "TypeError", message: /is no id$/ });
    await assert.rejects(rung.eventTypes.get(id), { name: "TypeError", message: /is no id$/ });
  }
  await rung.webhooks.delete("../keys");
  assert.equal(requests[0]?.url.pathname, "/v1/webhooks/..%2Fkeys");
});

test("lists are read page by page", async () => {
  const { rung, requests } = answering(data({ logs: [{ id: "1" }, { id: "2" }], next_cursor: "c" }), data({ logs: [{ id: "3" }], next_cursor: null }));
  const ids = [];
  for await (const entry of rung.logs.list({ status: "failed" })) ids.push(entry.id);
  assert.deepEqual(ids, ["1", "2", "3"]);
  assert.deepEqual(requests.map(({ url }) => url.search), ["?status=failed", "?status=failed&cursor=c"]);
});

test("a job is waited for", async () => {
  const job = (ended_at: string | null) => data({ job: { id: "1", ended_at } });
  const { rung } = answering(job(null), job(null), job("now"));
  assert.equal((await rung.jobs.wait("1")).ended_at, "now");
  assert.deepEqual(slept, [1000, 1000]);
});

const eventsOf = ({ body }: Pick<Sent, "body">): PublishEventRequest[] => JSON.parse(body).events;

function accepting(request: Pick<Sent, "body">): Response {
  return data({ results: eventsOf(request).map((event) => ({ success: true, status: 202, duplicate: false, data: { event } })) }, 202);
}

function events(count: number, size = 0): PublishEventRequest[] {
  return Array.from({ length: count }, (_, index) => ({ id: `e${index}`, type: "a", data: { text: "ü".repeat(size) } }));
}

test("what is no number of JSON is not sent", async () => {
  const { rung, requests } = answering();
  for (const wrong of [NaN, Infinity]) {
    const event = { type: "a", data: { total: wrong } };
    const mistake = { name: "TypeError", message: /^total: must be a finite number/ };
    await assert.rejects(rung.events.publish(event), mistake);
    await assert.rejects(rung.events.publishBatch([event]), mistake);
  }
  assert.equal(requests.length, 0);
});

test("a batch is split at 100 events", async () => {
  const { rung, requests } = recording(accepting);
  const results = await rung.events.publishBatch(events(250));
  assert.deepEqual(requests.map((request) => eventsOf(request).length), [100, 100, 50]);
  assert.deepEqual(results.map((result) => result.success && result.data.event.id), events(250).map(({ id }) => id));
  assert.deepEqual(await rung.events.publishBatch([]), []);
});

test("a batch is split at a mebibyte", async () => {
  const { rung, requests } = recording(accepting);
  assert.equal((await rung.events.publishBatch(events(60, 50_000))).length, 60);
  assert(requests.every(({ body }) => Buffer.byteLength(body) <= MIB));
  assert.equal(requests.length, 6);
  // To the byte: a batch that just fits is sent in one.
  const rest = MIB - JSON.stringify({ events: events(2) }).length;
  for (const [more, parts] of [[0, 1], [1, 2]] as const) {
    const [first, second] = events(2);
    assert(first && second);
    requests.length = 0;
    await rung.events.publishBatch([{ ...first, data: { text: "x".repeat(rest + more) } }, second]);
    assert.equal(requests.length, parts);
  }
});

test("a batch has a key where an event has no id, and results keep their order", async () => {
  const { rung, requests } = recording(accepting);
  const mixed = [{ type: "a", data: {} }, { id: "e1", type: "a", data: {} }, { type: "b", data: {} }];
  const results = await rung.events.publishBatch(mixed, { idempotencyKey: "mine" });
  assert.deepEqual(results.map((result) => result.success && result.data.event.type), ["a", "a", "b"]);
  await rung.events.publishBatch(mixed.slice(1, 2), { idempotencyKey: "mine" });
  assert.deepEqual(requests.map(({ headers }) => headers.get("idempotency-key")), ["mine-0", null]);
});

test("refused events are results, and a refused request is an error", async () => {
  const error = { code: "unknown_event_type", message: "no", request_id: null, retryable: false, details: [] };
  const refusal = { success: false, status: 422, duplicate: false, error };
  const none = Response.json({ success: false, error: { code: "batch_refused" }, data: { results: [refusal] } }, { status: 422 });
  const some = data({ results: Array(100).fill(refusal) }, 207);
  const { rung } = answering(none, refused(413, "payload_too_large"), some, refused(401, "unauthorized"));
  assert.deepEqual(await rung.events.publishBatch(events(1)), [refusal]);
  const [tooLarge] = await rung.events.publishBatch(events(1));
  assert(tooLarge?.success === false && tooLarge.error.code === "payload_too_large" && tooLarge.error.message === "url: no");
  await assert.rejects(rung.events.publishBatch(events(101)), (error: unknown) => {
    assert(error instanceof PublishError);
    assert.deepEqual(error.results, [...Array(100).fill(refusal), null]);
    assert(error.cause instanceof ApiError);
    assert.equal(error.message, "1 of 101 events have no result: unauthorized (401): url: no");
    return true;
  });
});

test("an export is read page by page", async () => {
  const link = '</v1/jobs/1/output?cursor=a%2Fb>; rel="next"';
  const { rung, requests } = answering(new Response("1\n2\n", { headers: { link } }), new Response("3\n"));
  const lines = [];
  for await (const line of rung.exports.output("1")) lines.push(line);
  assert.deepEqual(lines, ["1", "2", "3"]);
  assert.deepEqual(requests.map(({ url }) => url.searchParams.get("cursor")), [null, "a/b"]);
});

test("an import goes on where Rung had no time", async () => {
  const results = (lines: number[], next_line: number | null = null) => data({ results: lines.map((line) => ({ line, status: 200 })), next_line });
  const { rung, requests } = answering(results([1, 2], 3), results([1, 2]), results([1]));
  const large = "x".repeat(3_000_000);
  const taken = await rung.exports.import(["1", "2", "3", large, large]);
  assert.deepEqual(requests.map(({ body }) => body.split("\n")), [["1", "2", "3", large], ["3", large], [large]]);
  assert.deepEqual(taken.map(({ line }) => line), [1, 2, 3, 4, 5]);
  assert.equal(requests[0]?.headers.get("content-type"), "application/x-ndjson");
});
