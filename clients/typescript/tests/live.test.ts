// The client against a running Rung: RUNG_URL and RUNG_ADMIN_KEY name it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ApiError, Rung } from "rung-client";
import { Receiver } from "rung-client/testing";
import { type Dialect, verify } from "rung-client/verify";

const url = process.env["RUNG_URL"] ?? "";
const rung = new Rung({ url, key: process.env["RUNG_ADMIN_KEY"] ?? "" });

/** A view of a tenant of its own. */
async function tenant(dialect: Dialect = "standard"): Promise<Rung> {
  const { id } = await rung.tenants.create({ name: "Acme", dialect, plan: dialect === "odin" ? "pro" : null });
  return rung.forTenant(id);
}

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

/** The items of a list, once there are so many: Rung writes its log after the receiver's answer. */
async function eventually<T>(list: AsyncIterable<T>, count: number): Promise<T[]> {
  for (let tries = 0; tries < 100; tries += 1) {
    const items = await all(list);
    if (items.length === count) return items;
    await setTimeout(50);
  }
  assert.fail(`not ${count}`);
}

function refusal(status: number, code: string): (error: unknown) => true {
  return (error) => {
    assert(error instanceof ApiError, String(error));
    assert.deepEqual([error.status, error.code], [status, code]);
    assert.match(error.requestId ?? "", /^req_/);
    return true;
  };
}

for (const dialect of ["standard", "reward", "badger", "patra", "bharatcart", "odin"] as const) {
  test(`${dialect}: an event arrives signed, also during a rotation`, async () => {
    const acme = await tenant(dialect);
    await using receiver = await Receiver.start();
    const webhook = await acme.webhooks.create({ url: receiver.url, events: ["*"] });
    const { secret } = webhook;
    assert(secret);
    const [known] = dialect === "standard" ? [] : (await acme.eventTypes.list().page()).items;
    const event = { type: known?.type ?? "order.paid", data: (known?.sample ?? { total: 42 }) as Record<string, unknown> };
    assert.equal((await acme.events.publish(event)).deliveries, 1);
    const delivery = await receiver.next();
    assert.deepEqual(verify({ dialect, secret, ...delivery }), delivery.json());
    const { secret: renewed } = await acme.webhooks.rotateSecret(webhook.id);
    assert(renewed && renewed !== secret);
    await acme.events.publish(event);
    verify({ dialect, secret: [renewed, secret], ...(await receiver.next()) });
    await acme.webhooks.finishRotation(webhook.id);
    assert.equal((await acme.webhooks.test(webhook.id)).status, "succeeded");
    verify({ dialect, secret: renewed, ...(await receiver.next()) });
  });
}

test("tenants and keys come and go", async () => {
  const id = `t-${crypto.randomUUID()}`;
  const put = await rung.tenants.put(id, { name: "Acme", metadata: { region: id } }, { ifNoneMatch: "*" });
  assert.equal(put.tenant.id, id);
  await assert.rejects(rung.tenants.put(id, { name: "Acme" }, { ifNoneMatch: "*" }), refusal(412, "precondition_failed"));
  assert.deepEqual((await all(rung.tenants.list({ metadata: { region: id } }))).map((one) => one.id), [id]);
  assert.equal((await rung.tenants.update(id, { name: "New" })).tenant.name, "New");
  const key = await rung.tenantKeys.create(id, { scopes: ["manage", "publish"], name: "backend" });
  assert.equal((await rung.tenantKeys.get(id, key.id)).name, "backend");
  assert.equal((await rung.tenantKeys.update(id, key.id, { name: "worker" })).name, "worker");
  assert.deepEqual((await all(rung.tenantKeys.list(id))).map((one) => one.id), [key.id]);
  const own = new Rung({ url, key: key.key ?? "" });
  assert.equal((await own.me()).tenant?.id, id);
  await assert.rejects(own.keys.create({ name: "more", scopes: ["admin"] }), refusal(403, "forbidden"));
  assert((await rung.tenantKeys.delete(id, key.id)).deleted);
  await assert.rejects(own.me(), refusal(401, "unauthorized"));
  const operator = await rung.keys.create({ name: "reader", scopes: ["read"] });
  assert.equal((await rung.keys.update(operator.id, { name: "other" })).name, "other");
  assert((await all(rung.keys.list())).some((one) => one.id === operator.id));
  assert((await rung.keys.delete(operator.id)).deleted);
  const job = await rung.tenants.delete(id);
  assert.equal((await rung.jobs.get(job.id)).kind, "erase");
});

test("a portal link opens what it may", async () => {
  const { id } = await rung.tenants.create({ name: "Acme" });
  const link = await rung.portalLinks.create(id, { capabilities: ["view"], actor: { name: "Jo" } });
  const portal = new Rung({ url, key: link.token ?? "" });
  assert.equal((await portal.me()).portal_link?.id, link.id);
  await assert.rejects(portal.events.publish({ type: "a", data: {} }), refusal(403, "forbidden"));
  assert.deepEqual((await all(rung.portalLinks.list(id))).map((one) => one.id), [link.id]);
  assert((await rung.portalLinks.delete(id, link.id)).deleted);
  await rung.portalLinks.create(id);
  await rung.portalLinks.deleteAll(id);
  assert.deepEqual(await all(rung.portalLinks.list(id)), []);
});

test("lists span pages", async () => {
  const acme = await tenant();
  const made: string[] = [];
  for (let index = 0; index < 5; index += 1) made.push((await acme.webhooks.create({ url: "http://127.0.0.1:9/", events: ["*"] })).id);
  assert.deepEqual((await all(acme.webhooks.list({ limit: 2 }))).map((one) => one.id).sort(), made.sort());
  assert.deepEqual((await all(acme.webhooks.list({ limit: 2 }).pages())).map((page) => page.items.length), [2, 2, 1]);
});

test("a failed delivery is seen, retried and cancelled", async () => {
  const acme = await tenant();
  const statuses = [500, 500];
  await using receiver = await Receiver.start(() => statuses.shift() ?? 200);
  const webhook = (await acme.webhooks.create({ url: receiver.url, events: ["order.*"] })).id;
  const first = (await acme.events.publish({ type: "order.paid", data: {} })).event.id;
  await receiver.next();
  await acme.events.publish({ type: "order.paid", data: {} });
  await receiver.next();
  const [log] = await eventually(acme.logs.ofWebhook(webhook, { event_id: first }), 1);
  assert(log);
  assert.deepEqual([log.response_status, log.error_code], [500, "status"]);
  assert.equal((await acme.logs.get(webhook, log.id)).request.url, receiver.url);
  assert.equal((await acme.deliveries.get(webhook, log.delivery_id)).status, "pending");
  await eventually(acme.logs.list({ status: "failed" }), 2);
  await acme.logs.retry(webhook, log.id);
  await receiver.next();
  assert.deepEqual((await all(acme.events.deliveries(first))).map((one) => one.event_type), ["order.paid"]);
  const [other] = await eventually(acme.deliveries.list(webhook, { status: "pending" }), 1);
  assert(other);
  assert.equal((await acme.deliveries.cancel(webhook, other.id)).status, "cancelled");
  // The counts come later.
  assert.equal((await acme.stats.get()).bucket, "hour");
  assert.equal((await acme.webhooks.stats(webhook, { bucket: "day" })).bucket, "day");
  assert((await all(acme.audit.list())).some(({ action }) => action === "webhook.created"));
});

test("what did not arrive is sent by a job", async () => {
  const acme = await tenant();
  await using receiver = await Receiver.start();
  const { id: webhook } = await acme.webhooks.create({ url: receiver.url, events: ["*"], status: "disabled" });
  await acme.events.publish({ id: "missed", type: "order.paid", data: {} });
  assert.equal((await acme.webhooks.countRecoverable(webhook)).count, 1);
  const activated = await acme.webhooks.activate(webhook);
  assert.equal(activated.webhook.status, "active");
  assert.equal((await receiver.next()).headers["webhook-id"], "missed");
  assert.equal((await acme.jobs.wait(activated.job.id)).status, "succeeded");
  const again = await acme.webhooks.recover(webhook);
  assert.equal((await acme.jobs.wait(again.id)).kind, "recover");
  const everywhere = await acme.webhooks.recoverAll();
  const cancelled = await acme.deliveries.cancelAll(webhook, { statuses: ["pending"] });
  const ids = [activated.job.id, again.id, everywhere.id, cancelled.id];
  assert.deepEqual((await all(acme.jobs.list())).map((one) => one.id).sort(), ids.sort());
  const redriven = await rung.deadLetters.redrive();
  assert.equal((await rung.jobs.wait(redriven.id)).kind, "redrive");
  await assert.rejects(rung.jobs.cancel(redriven.id), refusal(409, "job_ended"));
});

test("an export is imported", async () => {
  const acme = await tenant();
  await acme.webhooks.create({ url: "http://127.0.0.1:9/", events: ["order.*"] });
  let [before, lines]: string[][] = [[], []];
  for (const _ of [1, 2]) {
    const job = await acme.exports.create({ include: ["secrets"] });
    assert.deepEqual((await acme.jobs.wait(job.id)).result, { tenants: 1, webhooks: 1 });
    [before, lines] = [lines, await all(acme.exports.output(job.id))];
    const results = await rung.exports.import(lines);
    assert.deepEqual(
      results.map(({ line, kind, status }) => [line, kind, status]),
      [
        [1, "tenant", 200],
        [2, "webhook", 200],
      ],
    );
  }
  assert.deepEqual(lines, before);
  const [refused] = await rung.exports.import(['{"tenant": {"id": "_a"}}']);
  assert.equal(refused?.error?.code, "invalid_request");
});

test("a batch answers event by event", async () => {
  const acme = await tenant("bharatcart");
  const type = (index: number) => (index === 150 ? "no.such.type" : "product.deleted");
  const events = Array.from({ length: 205 }, (_, index) => ({ id: `e-${index}`, type: type(index), data: {} }));
  const results = await acme.events.publishBatch([...events, { type: type(0), data: {} }]);
  const refused = results.flatMap((result, index) => (result.success ? [] : [[index, result.error.code, result.error.details[0]?.field]]));
  assert.deepEqual(refused, [[150, "unknown_event_type", "events[150].type"]]);
  const last = results[204];
  assert(last?.success && last.data.event.id === "e-204");
  const again = await acme.events.publishBatch(events.slice(0, 3));
  assert.deepEqual(again.map(({ status, duplicate }) => [status, duplicate]), Array(3).fill([202, true]));
  assert.equal((await all(acme.events.list())).length, 205);
});

test("an event too large is a result of its own", async () => {
  const acme = await tenant();
  const small = { id: "small", type: "a", data: {} };
  const results = await acme.events.publishBatch([small, { ...small, id: "large", data: { text: "x".repeat(2_000_000) } }, small]);
  assert.deepEqual(results.map(({ status }) => status), [202, 413, 202]);
  assert(results[1]?.success === false && results[1].error.code === "payload_too_large");
});

test("the deployment says what it is", async () => {
  assert.equal((await rung.health()).status, "ok");
  assert.equal((await rung.about()).limits.batch_events, 100);
  assert.deepEqual(await rung.egressIps(), []);
  assert.deepEqual((await rung.deadLetters.list()).dead_letters, []);
});

test("a refused connection says where and why", async () => {
  const nobody = new Rung({ url: "http://127.0.0.1:2", key: "rk_a", maxRetries: 0 });
  await assert.rejects(nobody.health(), { name: "ConnectionError", message: "GET http://127.0.0.1:2/v1/health: connect ECONNREFUSED 127.0.0.1:2" });
});
