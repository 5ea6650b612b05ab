// What the five documents let a customer do on a page, step by step, in a browser; and what an operator does there.
//
//   node people.mjs BROWSER RUNG

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { ADMIN_KEY, PATIENCE_MS, call as callAt, start } from "./kit.mjs";

let base, browser, stop, receiver;
/** What the receiver got, and whether it refuses. */
const received = [];
let refusing = false;

const call = (...args) => callAt(base, ...args);

before(async () => {
  receiver = createServer(async (request, response) => {
    const chunks = await request.toArray();
    received.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(refusing ? 503 : 200).end(refusing ? "down for maintenance" : "ok");
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  ({ base, browser, stop } = await start());
});

after(async () => {
  await stop?.();
  receiver?.close();
});

/** A page on which somebody has signed in; with what went wrong on it. */
async function signedIn(key, options) {
  const context = await browser.newContext(options);
  const errors = [];
  context.on("weberror", (error) => errors.push(String(error.error())));
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(base);
  await page.fill("#key", key);
  await page.click("button[type=submit]");
  await page.waitForSelector("#top:not([hidden])");
  return { page, context, errors };
}

/** A tenant of the dialect, and a key for its customer's own hands. */
async function customer(id, dialect, plan) {
  await call(undefined, "POST", "/v1/tenants", { id, name: id, dialect, plan });
  const { key } = await call(undefined, "POST", `/v1/tenants/${id}/keys`, { scopes: ["manage"] });
  return key.key;
}

const url = (path) => `http://127.0.0.1:${receiver.address().port}${path}`;
const message = (page, text) => page.waitForSelector(`.message:has-text("${text}")`);

/** Adds a webhook the way each document says: the button, name and URL, the events, save. Answers its secret. */
async function add(page, { name, path, choose }) {
  await page.click("text=Add webhook");
  await page.fill("#url", url(path));
  if (name) await page.fill("#name", name);
  await page.check("#events-some");
  for (const id of choose) await page.check(`#${id.replaceAll(".", "\\.")}`);
  await page.click("#save");
  await message(page, "Webhook created");
  return page.textContent("#signing-secret");
}

const SEEDS = [
  { dialect: "badger", choose: ["group-badge", "group-reward", "group-streak"], events: ["badge", "reward", "streak"], signature: "x-badger-signature" },
  { dialect: "patra", choose: ["type-card.created", "type-contact.shared"], events: ["card.created", "contact.shared"], signature: "x-patra-signature" },
  { dialect: "bharatcart", choose: ["group-order"], events: ["order"], signature: "x-webhook-signature" },
  { dialect: "reward", choose: ["type-trigger_event.created"], events: ["trigger_event.created"], signature: "webhook-signature", name: "Rewards" },
  { dialect: "odin", plan: "pro", choose: ["group-user"], events: ["user"], signature: "x-odin-signature" },
];

for (const { dialect, plan, name, choose, events, signature } of SEEDS) {
  test(`a customer of ${dialect} sets up a webhook, tests it, looks at a delivery and sends it again`, async () => {
    const key = await customer(`of-${dialect}`, dialect, plan);
    const { page, context, errors } = await signedIn(key);
    const path = `/hooks/${dialect}`;
    const mine = () => received.filter((each) => each.path === path);
    const secret = await add(page, { name, path, choose });
    assert.match(secret, /^whsec_/);
    const { webhooks: [webhook] } = await call(`of-${dialect}`, "GET", "/v1/webhooks");
    assert.deepEqual([webhook.events, webhook.url, webhook.name], [events, url(path), name ?? null]);

    await page.click("#test");
    await message(page, "succeeded");
    const [sent] = mine();
    assert.ok(sent.headers[signature], JSON.stringify(sent.headers));

    await page.click("table >> a.row-link");
    await page.waitForSelector("h2:has-text('Response')");
    await page.goBack();

    // A delivery that fails is seen as failed, and sent again once the receiver is mended.
    refusing = true;
    const type = sent.headers["x-patra-event"] ?? JSON.parse(sent.body).event ?? JSON.parse(sent.body).type;
    await call(`of-${dialect}`, "POST", "/v1/events", { type, data: {} });
    await page.click("tr:has-text('503') >> a.row-link");
    await page.waitForSelector("text=down for maintenance");
    refusing = false;
    await page.click("#retry");
    await page.waitForSelector("tr:has-text('manual'):has-text('200')");
    assert.deepEqual(errors, []);
    await context.close();
  });
}

test("the operator adds a tenant and a key, changes a webhook, rotates its secret and deletes it", async () => {
  const { page, context, errors } = await signedIn(ADMIN_KEY);
  await page.fill("#tenant-name", "Shop");
  await page.fill("#tenant-id", "shop");
  await page.click("#make-tenant");
  await page.click("a:has-text('API keys')");
  await page.fill("#key-name", "backend");
  await page.click("#make-key");
  assert.match(await page.textContent("#made-key"), /^rk_/);
  await page.waitForSelector("tr:has-text('backend'):has-text('publish')");

  // What is wrong is said below its field, and what was typed stays.
  await page.click("#nav >> text=Webhooks");
  await page.click("text=Add webhook");
  await page.fill("#url", "ftp://example.com");
  await page.check("#events-some");
  await page.fill("#own-type", "order.*");
  await page.click("#add-type");
  await page.click("text=More settings");
  await page.fill("#filter", "{no JSON");
  await page.click("#save");
  await page.waitForSelector("#problem-filter:has-text('invalid JSON')");
  await page.fill("#filter", "");
  await page.fill("#headers", "Authorization: Bearer secret");
  await page.click("#save");
  await page.waitForSelector("#problem-url:not(:empty)");
  assert.match(await page.textContent("#problem-headers"), /Authorization.*secret_headers/);
  await page.fill("#url", url("/shop"));
  await page.fill("#headers", "X-Region: eu\nX-Old: 1");
  await page.fill("#secret-headers", "Authorization: Bearer one");
  await page.fill("#metadata", '{"order": 12345678901234567890, "team": "a"}');
  await page.click("#save");
  const first = await page.textContent("#signing-secret");
  const read = async () => (await call("shop", "GET", "/v1/webhooks")).webhooks[0];
  const made = await read();
  assert.deepEqual([made.events, made.headers, made.secret_headers], [["order.*"], { "X-Region": "eu", "X-Old": "1" }, ["Authorization"]]);

  // A change takes out what is gone, and refuses to undo somebody else's.
  await page.click("#edit");
  assert.equal(await page.inputValue("#metadata"), '{"order":12345678901234567890,"team":"a"}');
  await call("shop", "PATCH", `/v1/webhooks/${made.id}`, { description: "changed meanwhile" });
  await page.fill("#name", "Orders");
  await page.click("#save");
  await message(page, "changed since");
  await page.reload();
  await page.fill("#name", "Orders");
  await page.click("text=More settings");
  await page.fill("#headers", "X-Region: us");
  await page.fill("#metadata", '{"order": 12345678901234567891}');
  await page.check("label:has-text('Remove') >> input");
  await page.click("#save");
  await message(page, "Webhook saved");
  const changed = await read();
  assert.deepEqual(
    [changed.name, changed.description, changed.headers, changed.secret_headers, Object.keys(changed.metadata)],
    ["Orders", "changed meanwhile", { "X-Region": "us" }, [], ["order"]],
  );

  await page.click("#rotate");
  await message(page, "Secret rotated");
  await page.waitForSelector("#signing-secret");
  assert.notEqual(await page.textContent("#signing-secret"), first);
  await page.click("#finish");
  await message(page, "Rotation finished");
  await page.reload();
  assert.equal(await page.isVisible("#signing-secret"), false);
  await page.click("#show-secret");
  await page.waitForSelector("#signing-secret");

  await page.click("#delete");
  await page.click("dialog button.danger");
  await message(page, "Webhook deleted");
  assert.deepEqual((await call("shop", "GET", "/v1/webhooks")).webhooks, []);
  assert.deepEqual(errors, []);
  await context.close();
});

/** WCAG 2.2 A and AA by axe-core, on every view, in both themes and at two sizes. */
test("every view is accessible", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const key = await customer("seen", "badger");
  const { webhook } = await call("seen", "POST", "/v1/webhooks", { url: url("/seen"), events: ["*"], name: "Seen", secret_headers: { Authorization: "Bearer x" } });
  refusing = true;
  const { event } = await call("seen", "POST", "/v1/events", { type: "user.points.earned", data: { points: 1 } });
  let [logs, deliveries] = [[], []];
  while (logs.length === 0 || deliveries.length === 0) {
    ({ logs } = await call("seen", "GET", `/v1/webhooks/${webhook.id}/logs`));
    ({ deliveries } = await call("seen", "GET", `/v1/webhooks/${webhook.id}/deliveries?status=pending`));
  }
  refusing = false;
  const own = ["/webhooks", `/webhooks/${webhook.id}`, `/webhooks/${webhook.id}?tab=pending`, `/webhooks/${webhook.id}/edit`,
    `/webhooks/${webhook.id}/attempts/${logs[0].id}`, "/events", `/events/${event.id}`, "/types", "/types/user.points.earned", "/audit", "/add", "/nowhere"];
  const views = [[key, own], [ADMIN_KEY, ["/", "/t/seen/publish", "/t/seen/keys"]]];
  const found = [];
  for (const [colorScheme, viewport] of [["light", { width: 1280, height: 800 }], ["dark", { width: 390, height: 844 }]]) {
    for (const [who, addresses] of views) {
      const { page, context } = await signedIn(who, { colorScheme, viewport });
      await page.click(".live");
      for (const address of addresses) {
        await page.evaluate((to) => { location.hash = to; }, address);
        await page.waitForSelector("#progress", { state: "hidden" });
        await page.evaluate(() => { for (const each of document.querySelectorAll("main details")) each.open = true; });
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
        for (const { id, nodes } of violations) found.push(`${colorScheme} ${address}: ${id}: ${nodes.map(({ html }) => html.slice(0, 150)).join(" | ")}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
        if (wide) found.push(`${colorScheme} ${address}: scrolls sideways`);
      }
      await context.close();
    }
  }
  assert.deepEqual(found, []);
});
