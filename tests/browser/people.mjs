// What the five documents let a customer do on a page, step by step, in a browser; and what an operator does there.
//
//   node people.mjs BROWSER RUNG
//
// With RUNG_PICTURES=1 it also takes the pictures of docs/pictures.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ADMIN_KEY, call as callAt, faults, opened, picture, receive, signedIn as signedInAt, start, until, verifies } from "./kit.mjs";

/** What a person needs at most for what follows a failure: less than the wait of reward, and more than the first of badger. */
const REST_MS = 20_000;

let base, browser, stop, receiver;
let refusing = false;

const call = (...args) => callAt(base, ...args);
const signedIn = (key, options) => signedInAt(browser, base, key, options);
const url = (path) => receiver.url(path);

before(async () => {
  receiver = await receive(() => (refusing ? [503, "down for maintenance"] : [200, "ok"]));
  ({ base, browser, stop } = await start());
});

after(async () => {
  await stop?.();
  receiver?.close();
});

/** A page of the portal, opened by a link as the operator's product has it. */
async function portal(tenant, link, options) {
  const { portal_link: { url } } = await call(undefined, "POST", `/v1/tenants/${tenant}/portal-links`, link);
  const tab = await opened(browser, base, url, options);
  await tab.page.waitForSelector("#top:not([hidden])");
  return tab;
}

const everything = { capabilities: ["manage", "secrets", "test"], actor: { name: "jo@acme.example" } };
const message = (page, text) => page.waitForSelector(`.message:has-text("${text}")`);
const addTenant = (id, dialect, plan) => call(undefined, "POST", "/v1/tenants", { id, name: id, dialect, plan });

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
  test(`a customer of ${dialect} sets up a webhook in the portal, verifies a test, looks at a delivery and sends it again`, async () => {
    const tenant = `of-${dialect}`;
    await addTenant(tenant, dialect, plan);
    const { page, context, errors } = await portal(tenant, everything);
    const path = `/hooks/${dialect}`;
    const mine = () => receiver.received.filter((each) => each.path === path);
    const secret = await add(page, { name, path, choose });
    assert.match(secret, /^whsec_/);
    const { webhooks: [webhook] } = await call(tenant, "GET", "/v1/webhooks");
    assert.deepEqual([webhook.events, webhook.url, webhook.name], [events, url(path), name ?? null]);

    await page.click("#test");
    await page.waitForFunction(() => document.getElementById("test-data").value);
    await page.click("#send-test");
    await page.waitForSelector("#test-outcome:has-text('succeeded')");
    const [sent] = mine();
    // The sample can be edited.
    await page.fill("#test-data", "{no");
    await page.click("#send-test");
    await page.waitForSelector("#problem-data:has-text('invalid JSON')");
    await page.fill("#test-data", '{"marker": "edited"}');
    await page.click("#send-test");
    await until("the edited sample", () => mine().some(({ body }) => body.includes("edited")));
    assert.equal(await page.textContent("#problem-data"), "");
    // This receiver verifies nothing.
    await page.click("#prove");
    await page.waitForSelector("#findings [data-outcome=passed]:has-text('accepts a delivery')");
    const unsigned = await page.textContent("#findings [data-outcome=failed]:has-text('refuses a missing signature')");
    assert.match(unsigned, /answer 401 where the signature's header is missing/);
    assert.ok(!await page.$("#test-outcome"));
    assert.ok(sent.headers[signature], JSON.stringify(sent.headers));
    await page.click("#verification summary");
    for (const language of ["JavaScript", "Python"]) {
      await page.selectOption("#language", language);
      const snippet = await page.textContent("#snippet");
      assert.ok(verifies(language, snippet, sent, secret), language);
      assert.ok(!verifies(language, snippet, { ...sent, body: Buffer.from("{}") }, secret), language);
    }

    await page.click("table >> a.row-link");
    await page.waitForSelector("h2:has-text('Response')");
    await page.goBack();

    // A delivery that fails is seen as failed, and sent again once the receiver is mended.
    refusing = true;
    const type = sent.headers["x-patra-event"] ?? JSON.parse(sent.body).event ?? JSON.parse(sent.body).type;
    await call(tenant, "POST", "/v1/events", { type, data: {} });
    // Of a delivery that is due, the ladder makes the attempt, and not the button: none is due while the rest goes on.
    await until("a wait that outlasts the rest", async () => {
      const { deliveries } = await call(tenant, "GET", `/v1/webhooks/${webhook.id}/deliveries?status=pending`);
      return deliveries.some(({ next_attempt_at: next }) => Date.parse(next) - Date.now() > REST_MS);
    });
    await page.click("tr:has-text('503') >> a.row-link");
    await page.waitForSelector("text=down for maintenance");
    await page.waitForSelector("#timeline li:has-text('Next attempt')");
    refusing = false;
    await page.click("#retry");
    await page.waitForSelector("#timeline li:has-text('by hand'):has-text('200')");
    // What was due is due no more.
    await page.waitForSelector("#timeline li:has-text('Nothing more is due')");
    assert.equal(await page.isVisible("text=Next attempt in"), false);
    assert.deepEqual(errors, []);
    await context.close();
  });
}

test("a customer mends a receiver and sends all that it has not got, also over a reload", async () => {
  await addTenant("mended", "bharatcart");
  const { page, context, errors } = await portal("mended", everything);
  await add(page, { path: "/mended", choose: ["group-order"] });
  const { webhooks: [{ id }] } = await call("mended", "GET", "/v1/webhooks");
  const mine = () => receiver.received.filter(({ path }) => path === "/mended");
  refusing = true;
  const types = ["order.created", "order.paid", "order.shipped"];
  for (const [n, type] of types.entries()) await call("mended", "POST", "/v1/events", { id: `evt_${n}`, type, data: { n } }).catch(() => call("mended", "POST", "/v1/events", { id: `evt_${n}`, type: "order.created", data: { n } }));
  await until("what waits", async () => (await call("mended", "GET", `/v1/webhooks/${id}/deliveries?status=pending`)).deliveries.length === 3);

  // A selection, at once.
  await page.waitForFunction(() => document.querySelectorAll("tr .badge.bad").length >= 3);
  for (const box of (await page.locator("td input[type=checkbox]").all()).slice(0, 2)) await box.check();
  await page.click("#send-chosen");
  await message(page, "2 of 2 deliveries are sent again");
  await until("two more attempts", () => mine().length >= 5);
  refusing = false;

  // All that waits; and it is over.
  await page.click("#tab-pending");
  await page.click("#send-all");
  await page.waitForSelector("dialog:has-text('3 deliveries would be sent again.')");
  await page.click("dialog .danger");
  await until("nothing waiting", async () => (await call("mended", "GET", `/v1/webhooks/${id}/deliveries?status=pending`)).deliveries.length === 0);

  // What was counted is what is sent: a change of the question forgets the count, and what comes later is not in it.
  await page.click("#recover");
  await page.selectOption("#scope", "any");
  await page.click("#count");
  await page.waitForSelector("#recovery .outcome >> text=3 deliveries");
  await page.selectOption("#scope", "failed");
  await page.waitForSelector("#send", { state: "detached" });
  await page.selectOption("#scope", "any");
  await page.click("#count");
  await page.waitForSelector("#send");
  await call("mended", "POST", "/v1/events", { id: "evt_later", type: "order.created", data: {} });
  await until("the later one", () => mine().some(({ body }) => body.includes("order.created")));
  await page.click("#send");
  await page.waitForSelector("#recovery li:has-text('3 done')");
  // While one is under way, the panel is open by itself.
  await until("its end", async () => (await call("mended", "GET", "/v1/jobs?kind=recover")).jobs.every((job) => job.ended_at));
  await page.reload();
  await page.click("#recover");
  await page.waitForSelector("#recovery li:has-text('3 done')");
  await page.click("text=All jobs");
  await page.waitForSelector("tr:has-text('recovery'):has-text('3 done')");
  await page.click("#recover-all");
  await page.waitForSelector("dialog:has-text('Nothing would be sent again.')");
  await page.click("dialog >> text=Cancel");
  assert.deepEqual(errors, []);
  await context.close();
});

test("a customer pauses a webhook for maintenance, and nothing is sent until it ends", async () => {
  await addTenant("resting", "standard");
  const { page, context, errors } = await portal("resting", everything);
  await page.click("text=Add webhook");
  await page.fill("#url", url("/resting"));
  await page.click("#save");
  // "Back" leads to no empty form.
  await page.waitForSelector("#pause");
  await page.goBack();
  await page.waitForFunction(() => document.querySelector("#main").dataset.address === "#/webhooks");
  await page.click("tbody a.row-link");
  await page.click("#pause");
  await page.click("#begin-pause");
  await message(page, "Paused");
  await page.waitForSelector(".notice:has-text('Maintenance')");
  await page.waitForSelector(".badge:has-text('paused')");
  await page.click("#pause");
  await page.click("#end-pause");
  await message(page, "The pause has ended");
  await page.waitForSelector(".badge:has-text('healthy')");
  assert.deepEqual(errors, []);
  await context.close();
});

test("the operator adds a tenant and a key, changes a webhook, rotates its secret and deletes it", async () => {
  const { page, context, errors } = await signedIn(ADMIN_KEY);
  await page.fill("#tenant-name", "Shop");
  await page.fill("#tenant-id", "_shop");
  // A plan is one of the dialect's, if that names any.
  await page.selectOption("#dialect", "odin");
  assert.deepEqual(await page.locator("#plan option").allTextContents(), ["none", "basic", "enterprise", "free", "pro", "starter"]);
  await page.selectOption("#plan", "pro");
  await page.click("#make-tenant");
  // What is wrong is said below its field, and what was typed stays.
  await page.waitForSelector("#problem-id:not(:empty)");
  await page.fill("#tenant-id", "shop");
  await page.selectOption("#dialect", "standard");
  assert.equal(await page.inputValue("input#plan"), "pro");
  await page.fill("#plan", "");
  await page.click("#make-tenant");
  await page.waitForURL(/#\/t\/shop/);
  await page.click("#nav >> text=API keys");
  await page.fill("#key-name", "backend");
  await page.click("#make-key");
  assert.match(await page.textContent("#made-key"), /^rk_/);
  await page.waitForSelector("tr:has-text('backend'):has-text('publish')");

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
  // The filter is tried on what was published, and its mistakes stand below it.
  for (const amount of [50, 150, 250]) await call("shop", "POST", "/v1/events", { type: "order.paid", data: { amount } });
  await call("shop", "POST", "/v1/events", { type: "user.left", data: { amount: 500 } });
  await page.fill("#filter", '{"amount": [{"numeric": [">"]}]}');
  await page.click("#try-filter");
  await page.waitForSelector("#problem-filter:has-text('amount[0].numeric')");
  await page.fill("#filter", '{"amount": [{"numeric": [">", 100]}]}');
  await page.click("#try-filter");
  await page.waitForSelector("#preview:has-text('2 of the last 3 events match.')");
  assert.equal(await page.textContent("#problem-filter"), "");
  await page.click("#preview summary");
  assert.equal(await page.locator("#preview tr:has-text('left out')").count(), 1);
  await page.fill("#filter", "");
  await page.fill("#headers", "Authorization: Bearer secret");
  // What the browser cannot read is no "no limit".
  await page.type("#rate", "1e");
  await page.click("#save");
  await page.waitForSelector("#problem-rate_limit_per_second:has-text('Enter a whole number')");
  await page.fill("#rate", "");
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
  // A client certificate and its key: each problem stands beside its own field.
  await page.fill("#client-certificate", "no PEM");
  await page.click("#save");
  await page.waitForSelector("[id='problem-client_certificate.private_key']:has-text('must be PEM')");
  await page.fill("#client-key", "no PEM");
  await page.click("#save");
  await page.waitForSelector("#problem-client_certificate:has-text('has no certificate')");
  assert.equal(await page.textContent("[id='problem-client_certificate.private_key']"), "");
  await page.fill("#client-certificate", "");
  await page.fill("#client-key", "");
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

  await page.selectOption("#overlap", "0");
  await page.click("#rotate");
  await page.click("dialog:has-text('signed with the new secret alone') >> text=Cancel");
  await page.selectOption("#overlap", "86400");
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
  // What was said before is left behind.
  assert.equal(await page.locator(".message").count(), 1);
  assert.deepEqual((await call("shop", "GET", "/v1/webhooks")).webhooks, []);
  assert.deepEqual(errors, []);
  await context.close();
});

/** What a second click does while the next page is still loading: all that is read is held until `release`. */
async function held(page) {
  let release;
  const until = new Promise((resume) => { release = resume; });
  await page.route("**/v1/**", async (route) => {
    if (route.request().method() === "GET") await until;
    await route.continue();
  });
  return release;
}

test("whoever has gone to another page stays there when the answer comes", async () => {
  const { page, context } = await signedIn(ADMIN_KEY);
  await page.fill("#tenant-name", "Left");
  await page.route("**/v1/tenants", async (route) => {
    if (route.request().method() === "POST") await page.evaluate(() => { location.hash = "#/keys"; });
    await route.fallback();
  });
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.click("#make-tenant");
  assert.equal((await answered).status(), 201);
  await page.waitForSelector(".message:has-text('Tenant created.')");
  assert.match(page.url(), /#\/keys$/);
  await context.close();
});

test("a second click makes nothing twice, nor does another try where nobody answered", async () => {
  await addTenant("twice", "standard");
  const { page, context } = await signedIn(ADMIN_KEY);
  let posts = 0;
  page.on("request", (request) => { posts += request.method() === "POST"; });
  const clickedTwice = async (selector) => {
    posts = 0;
    const release = await held(page);
    const answered = page.waitForResponse((response) => response.request().method() === "POST");
    await page.click(selector);
    await (await answered).finished();
    // The old form still stands there.
    await page.evaluate((selector) => document.querySelector(selector).click(), selector);
    release();
    await page.waitForSelector(selector, { state: "detached" });
    assert.equal(posts, 1, selector);
  };
  await page.fill("#tenant-name", "Two");
  await clickedTwice("#make-tenant");
  await page.goto(`${base}/#/t/twice/add`);
  await page.fill("#url", url("/twice"));
  await clickedTwice("#save");
  await page.goto(`${base}/#/t/twice/publish`);
  await page.fill("#type", "a.b");
  await clickedTwice("#publish");
  // Where a page stays, a call under way and one just answered are the same.
  const same = await page.evaluate(async () => {
    const { once } = await import("./dashboard/api.js");
    let calls = 0;
    const make = async () => { calls += 1; };
    await Promise.all([once("rotate", make), once("rotate", make)]);
    await once("rotate", make);
    await once("finish", make);
    await once("rotate", make);
    return calls;
  });
  assert.equal(same, 3);

  // The answer is lost: whoever tries again gets the event that there is.
  await page.goto(`${base}/#/t/twice/publish`);
  await page.fill("#type", "a.lost");
  await page.route("**/v1/events", async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await page.click("#publish");
  await message(page, "No answer");
  await page.click("#publish");
  await page.waitForSelector("h1:has-text('a.lost')");
  assert.equal((await call("twice", "GET", "/v1/events?type=a.lost")).events.length, 1);
  await context.close();
});

test("a secret is gone with its page, and with whoever was signed in", async () => {
  await addTenant("secretive", "standard");
  const { page, context, errors } = await portal("secretive", everything);
  await page.click("text=Add webhook");
  await page.fill("#url", url("/secretive"));
  await page.click("#save");
  await page.waitForSelector("#signing-secret");
  const address = await page.evaluate(() => location.hash);
  // Another view of the same page is the same page.
  await page.selectOption("#span", "week");
  await page.waitForFunction(() => document.querySelector("#main").dataset.address.includes("week"));
  assert.ok(await page.isVisible("#signing-secret"));
  const back = async () => {
    await page.evaluate((to) => { location.hash = to; }, address);
    await page.waitForSelector(`#main[data-address="${address}"] #secret-panel`);
    assert.equal(await page.isVisible("#signing-secret"), false);
  };
  await page.click("#nav >> text=Events");
  await page.waitForSelector("h1:has-text('Events')");
  await back();

  // Nor does the next one in the same tab see it.
  await page.click("#show-secret");
  await page.waitForSelector("#signing-secret");
  const { portal_link: { url: viewOnly } } = await call(undefined, "POST", "/v1/tenants/secretive/portal-links", {});
  await page.evaluate((to) => { location.hash = to; }, new URL(viewOnly).hash);
  await page.waitForSelector("tbody tr");
  await back();
  assert.deepEqual(errors, []);
  await context.close();

  const operators = await signedIn(ADMIN_KEY);
  const { key: { key: reading } } = await call(undefined, "POST", "/v1/tenants/secretive/keys", { scopes: ["read"] });
  const id = address.split("/").at(-1);
  await operators.page.goto(`${base}/#/t/secretive/webhooks/${id}`);
  await operators.page.click("#show-secret");
  await operators.page.waitForSelector("#signing-secret");
  await operators.page.click("#sign-out");
  await operators.page.fill("#key", reading);
  await operators.page.click("button[type=submit]");
  await operators.page.click("table >> a.row-link");
  await operators.page.waitForSelector("#secret-panel");
  assert.equal(await operators.page.isVisible("#signing-secret"), false);
  await operators.context.close();
});

test("another time zone tells times anew and takes nothing else away", async () => {
  await addTenant("zoned", "standard");
  const { page, context, errors } = await signedIn(ADMIN_KEY, { timezoneId: "Asia/Kolkata" });
  await page.goto(`${base}/#/t/zoned/keys`);
  await page.click("#make-key");
  await page.waitForSelector("#made-key");
  await page.fill("#key-name", "half typed");
  await page.fill("#expires", "2030-01-01T12:00");
  const shown = () => page.textContent("td[data-label=Created] time");
  const before = await shown();
  await page.selectOption("#zone", "UTC");
  await page.waitForFunction((before) => document.querySelector("td[data-label=Created] time").textContent !== before, before);
  assert.ok(await page.isVisible("#made-key"));
  assert.equal(await page.inputValue("#key-name"), "half typed");
  assert.equal(await page.inputValue("#expires"), "2030-01-01T06:30");
  assert.deepEqual(errors, []);
  await context.close();
});

test("a copy button says what it has done, to everybody", async () => {
  await addTenant("copied", "standard");
  const { webhook } = await call("copied", "POST", "/v1/webhooks", { url: url("/copied"), events: ["*"] });
  const { page, context, errors } = await portal("copied", everything);
  // The machine has one clipboard, which others read.
  await page.evaluate(() => { navigator.clipboard.writeText = async () => {}; });
  await page.goto(`${base}/#/webhooks/${webhook.id}`);
  const button = page.locator(".copyable button").first();
  await button.click();
  await page.waitForSelector(".copyable button:has-text('Copied')");
  assert.equal(await button.getAttribute("aria-label"), null);
  await page.waitForSelector("#told:has-text('Copied')", { state: "attached" });
  await page.waitForSelector(".copyable button[aria-label='Copy the URL']");
  assert.equal(await button.textContent(), "Copy");
  await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error("no")); });
  await button.click();
  await page.waitForSelector("#told:has-text('Select the text')", { state: "attached" });
  assert.deepEqual(await faults(page, "a refused copy", ["label-content-name-mismatch"]), []);
  assert.deepEqual(errors, []);
  await context.close();
});

test("a key that reads no webhooks opens what it may, or is told what it lacks", async () => {
  await addTenant("scoped", "standard");
  for (const [scope, wanted] of [["catalogue", "h1:has-text('Event types')"], ["publish", "h1:has-text('Publish an event')"], ["erase", "text=This key opens no page here"]]) {
    const { key: { key } } = await call(undefined, "POST", "/v1/tenants/scoped/keys", { scopes: [scope] });
    const { page, context, errors } = await signedIn(key);
    await page.waitForSelector(wanted);
    assert.equal(await page.locator("#nav a").count(), scope === "erase" ? 0 : 1);
    assert.deepEqual(errors, []);
    await context.close();
  }
});

test("the operator defines event types, for all tenants of a dialect and for one", async () => {
  await addTenant("typed", "standard");
  const { page, context, errors } = await signedIn(ADMIN_KEY);
  await page.click("#nav >> text=Event types");
  await page.click("#new-type");
  await page.fill("#type", "invoice.paid");
  await page.fill("#description", "An invoice was paid");
  await page.fill("#sample", '{"amount": "much"}');
  await page.fill("#schema", '{"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer", "description": "In cents"}}}');
  await page.click("#save-type");
  // A sample that breaks its own schema is refused, beside the sample.
  await page.waitForSelector("#problem-sample:not(:empty)");
  await page.fill("#sample", '{"amount": 12345678901234567890}');
  await page.click("#save-type");
  await page.waitForSelector("tr:has-text('amount'):has-text('In cents'):has-text('required')");
  await page.waitForSelector("text=12345678901234567890");

  // The customer chooses it, until it is archived.
  const { page: theirs, context: other } = await portal("typed", everything);
  await theirs.click("text=Add webhook");
  await theirs.check("#events-some");
  await theirs.check("#type-invoice\\.paid");
  await theirs.fill("#url", url("/typed"));
  await theirs.click("#save");
  await message(theirs, "Webhook created");
  await page.click("#edit-type");
  await page.check("#deprecated");
  await page.fill("#use", "invoice.settled");
  await page.check("#archived");
  await page.click("#save-type");
  await page.waitForSelector("h1:has-text('archived')");
  const { event_type: type } = await call("typed", "GET", "/v1/event-types/invoice.paid");
  assert.deepEqual([type.archived, type.deprecated.use, type.source], [true, "invoice.settled", "deployment"]);
  await page.click("#delete-type");
  await page.click("dialog button.danger");
  await message(page, "Definition deleted");
  assert.deepEqual(errors, []);
  await context.close();
  await other.close();
});

test("the operator sees over all tenants who is failing, makes links and ends them, and redrives dead letters", async () => {
  await addTenant("well", "standard");
  await addTenant("sick", "standard");
  const { webhook } = await call("sick", "POST", "/v1/webhooks", { url: url(`/sick/${"x".repeat(1900)}`), events: ["*"] });
  refusing = true;
  await call("sick", "POST", "/v1/events", { type: "a.b", data: {} });
  await until("a failing webhook", async () => (await call("sick", "GET", `/v1/webhooks/${webhook.id}`)).webhook.last_failure);
  const { page, context, errors } = await signedIn(ADMIN_KEY);
  await page.waitForSelector("#failing tr:has-text('sick')");
  await page.waitForSelector("tr:has-text('sick'):has-text('failing 1')");
  await picture(page, "tenants");
  refusing = false;

  // Enter in the search opens the one that is meant, and nothing that is not there.
  await page.fill("#find", "über");
  await page.press("#find", "Enter");
  await page.waitForSelector("text=No matching tenant");
  assert.equal(await page.evaluate(() => location.hash), "#/?q=%C3%BCber");
  // A webhook is found too, whosever it is.
  await page.fill("#find", "/sick/xxx");
  await page.press("#find", "Enter");
  await page.waitForSelector("#found tr:has-text('sick')");
  await page.goBack();
  await page.goBack();
  await page.waitForFunction(() => !location.hash.includes("q=") && document.querySelector("#main").dataset.address === location.hash);
  await page.fill("#find", "sick");
  await page.press("#find", "Enter");
  // One long URL leaves the list a list.
  await page.waitForSelector("h1:has-text('Webhooks')");
  await page.waitForFunction(() => document.querySelector("tbody tr")?.offsetHeight < 130);

  await page.click("#nav >> text=Portal links");
  await page.fill("#actor", "Jo");
  await page.click("#make-link");
  const link = await page.textContent("#made-link");
  const { page: theirs, context: other } = await opened(browser, base, link);
  await theirs.waitForSelector("tbody tr");
  await page.click("#end-all");
  await page.click("dialog button.danger");
  await message(page, "All links have ended");
  await theirs.reload();
  await theirs.waitForSelector("#ended:has-text('This link has ended')");

  await page.goto(`${base}/#/dead-letters`);
  await page.waitForSelector("text=No dead letters");
  await page.click("#redrive");
  await page.click("dialog button.danger");
  await message(page, "The redrive has begun");
  await page.click("text=View the jobs");
  await page.waitForSelector("tr:has-text('redrive')");

  // An error is not carried to the next page.
  await page.goto(`${base}/#/t/sick/settings`);
  await page.waitForSelector("#plan");
  await page.evaluate(() => document.querySelector("#messages").append(Object.assign(document.createElement("p"), { className: "message bad" })));
  await page.click("#nav >> text=Webhooks");
  await page.waitForSelector("tbody tr");
  assert.equal(await page.locator(".message.bad").count(), 0);
  assert.deepEqual(errors, []);
  await context.close();
  await other.close();
});

test("filters are in the address, Back leads through them, times can be read in UTC, and charts by keyboard", async () => {
  await addTenant("found", "badger");
  const { webhook } = await call("found", "POST", "/v1/webhooks", { url: url("/found"), events: ["*"] });
  await call("found", "POST", "/v1/events", { id: "evt_found", type: "user.points.earned", data: { points: 1 } });
  await until("an attempt", async () => (await call("found", "GET", `/v1/webhooks/${webhook.id}/logs`)).logs.length > 0);
  const { page, context, errors } = await portal("found", everything, { timezoneId: "Asia/Kolkata", permissions: ["clipboard-read", "clipboard-write"] });
  await page.click("table >> a.row-link");
  await page.waitForSelector("tr:has-text('user.points.earned')");
  await page.selectOption("#status", "failed");
  await page.waitForSelector("text=No matching attempts");
  await page.fill("#response", "4xx");
  await page.press("#response", "Enter");
  await page.waitForFunction(() => location.hash.includes("response_status=4xx") && location.hash.includes("status=failed"));
  await page.goBack();
  await page.waitForFunction(() => !location.hash.includes("4xx") && location.hash.includes("status=failed"));
  await page.goBack();
  await page.waitForSelector("tr:has-text('user.points.earned')");

  const shown = () => page.textContent("td[data-label=Time] time");
  const own = await shown();
  await page.selectOption("#zone", "UTC");
  await page.waitForFunction((own) => document.querySelector("td[data-label=Time] time")?.textContent !== own, own);

  await page.click("td >> text=Copy as curl");
  const command = await until("a command", () => page.evaluate(() => navigator.clipboard.readText()));
  assert.match(command, /^curl -X POST '.*\/found'/);

  // From an event to its delivery, and not only to its webhook.
  await page.evaluate(() => { location.hash = "/events/evt_found"; });
  await page.waitForSelector("h2:text-is('Deliveries')");
  await page.click("table >> a.row-link");
  await page.waitForFunction(() => document.activeElement.matches("tbody a.row-link") && document.activeElement.textContent === "user.points.earned");

  await page.focus("[role=slider]");
  const before = await page.getAttribute("[role=slider]", "aria-valuetext");
  assert.match(before, /succeeded 1, failed 0/);
  await page.keyboard.press("ArrowLeft");
  assert.match(await page.getAttribute("[role=slider]", "aria-valuetext"), /succeeded 0/);
  for (const span of ["hour", "week", "month"]) {
    await page.selectOption("#span", span);
    await page.waitForFunction((span) => location.hash.includes(span), span);
    await page.waitForSelector("dd:has-text('100%')");
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test("the reference shows every call, opens the one that the address names, and finds others", async () => {
  const description = await (await fetch(`${base}/openapi.json`)).json();
  const { page, context, errors } = await opened(browser, base, `${base}/docs#createWebhook`, { viewport: { width: 1280, height: 800 } });
  const open = page.locator("#createWebhook[open]");
  await open.getByText("Members").first().click();
  await open.getByText("An event pattern that").waitFor();
  await open.getByText("422", { exact: true }).click();
  await open.getByText("invalid_secret").last().waitFor();
  const calls = Object.values(description.paths).flatMap((methods) => Object.values(methods)).map(({ operationId }) => operationId);
  assert.deepEqual((await page.locator("details.call").evaluateAll((all) => all.map(({ id }) => id))).sort(), calls.sort());
  assert.deepEqual(await faults(page, "/docs"), []);
  await page.fill("#search", "rotate");
  assert.deepEqual(await page.locator("details.call:visible").evaluateAll((all) => all.map(({ id }) => id)), ["rotateSecret", "finishRotation"]);
  await page.fill("#search", "");
  await page.evaluate(() => { location.hash = "publishEvent"; });
  await page.waitForSelector("#publishEvent[open]");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 390, height: 844 });
  assert.deepEqual(await faults(page, "dark /docs", ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]), []);
  assert.deepEqual(errors, []);
  await context.close();
});

test("every view is accessible", async () => {
  await addTenant("seen", "badger");
  const { webhook } = await call("seen", "POST", "/v1/webhooks", { url: url("/seen"), events: ["*"], name: "Seen", secret_headers: { Authorization: "Bearer x" } });
  await call("seen", "POST", "/v1/events", { type: "user.points.earned", data: { points: 1 } });
  await until("a success", async () => (await call("seen", "GET", `/v1/webhooks/${webhook.id}/logs?status=succeeded`)).logs.length > 0);
  refusing = true;
  const { event } = await call("seen", "POST", "/v1/events", { type: "user.points.earned", data: { points: 2 } });
  const deliveries = () => call("seen", "GET", `/v1/webhooks/${webhook.id}/deliveries?status=pending`);
  await until("a wait", async () => (await deliveries()).deliveries.length > 0);
  refusing = false;
  await call("seen", "POST", `/v1/webhooks/${webhook.id}/recover`, { statuses: ["failed"] });
  const { logs: [log] } = await call("seen", "GET", `/v1/webhooks/${webhook.id}/logs?status=failed`);
  const of = `/webhooks/${webhook.id}`;
  const customers = ["/webhooks", of, `${of}?tab=pending`, `${of}/edit`, `${of}/attempts/${log.id}`, "/events", `/events/${event.id}`, "/types", "/types/user.points.earned", "/jobs", "/stats", "/add", "/nowhere"];
  const operators = ["/", "/types", "/new-type", "/dead-letters", "/jobs", "/stats", "/keys", "/audit", "/deployment", "/t/seen/publish", "/t/seen/keys", "/t/seen/links", "/t/seen/settings", "/t/seen/audit", "/t/seen/types/user.points.earned/edit"];
  const pictures = { "/webhooks": "webhooks", [of]: "webhook", [`${of}/attempts/${log.id}`]: "attempt", "/add": "add" };
  const found = [];
  const [desktop, phone] = [{ width: 1280, height: 800 }, { width: 390, height: 844 }];
  for (const [tab, addresses] of [[await portal("seen", everything, { viewport: desktop }), customers], [await signedIn(ADMIN_KEY, { viewport: desktop }), operators]]) {
    const { page, context } = tab;
    await page.click(".live");
    for (const address of addresses) {
      await page.evaluate((to) => { location.hash = to; }, address);
      await page.waitForSelector(`#main[data-address="#${address}"]`);
      if (pictures[address]) await picture(page, pictures[address]);
      for (const panel of address === of ? ["#test", "#pause", "#recover"] : []) {
        await page.click(panel);
        found.push(...await faults(page, `${address} ${panel}`));
      }
      found.push(...await faults(page, address));
      // What depends on theme and size, in the others.
      await page.emulateMedia({ colorScheme: "dark" });
      await page.setViewportSize(phone);
      found.push(...await faults(page, `dark ${address}`, ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]));
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize(desktop);
    }
    await context.close();
  }
  assert.deepEqual(found, []);
});
