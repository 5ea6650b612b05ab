// What a person can rely on while lists and charts refresh: what is wrong is said where it can be mended, what is chosen or typed
// stays, and the order of a list is that of the whole list.
//
//   node lists.mjs BROWSER RUNG

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ADMIN_KEY, call as callAt, faults, opened, receive, signedIn, start, until, verifies } from "./kit.mjs";

let base, browser, stop, receiver;
/** What the receiver answers, by path. */
const answers = new Map();

const call = (...args) => callAt(base, ...args);
const url = (path) => receiver.url(path);
const addTenant = (id, dialect = "standard") => call(undefined, "POST", "/v1/tenants", { id, name: id, dialect });
const addWebhook = async (tenant, fields) => (await call(tenant, "POST", "/v1/webhooks", { url: url(`/${tenant}`), events: ["*"], ...fields })).webhook;
const publish = (tenant, type, data = {}) => call(tenant, "POST", "/v1/events", { type, data });
const message = (page, text) => page.waitForSelector(`.message:has-text("${text}")`);
const isOn = (page, id) => page.waitForFunction((id) => document.activeElement?.id === id, id);

before(async () => {
  receiver = await receive((path) => answers.get(path) ?? [200, "ok"]);
  ({ base, browser, stop } = await start());
});

after(async () => {
  await stop?.();
  receiver?.close();
});

/** A page of the operator's at an address. */
async function at(address, options) {
  const tab = await signedIn(browser, base, ADMIN_KEY, options);
  await go(tab.page, address);
  return tab;
}

/** The page has taken in what its address says. */
const settled = (page, part) => page.waitForFunction((part) => location.hash.includes(part) && document.querySelector("#main").dataset.address === location.hash, part);

async function go(page, address) {
  await page.evaluate((to) => { location.hash = to; }, address);
  await page.waitForFunction((to) => document.querySelector("#main").dataset.address === `#${to}`, address);
}

test("the operator sees webhooks that were disabled for failing, and their tenants first, wherever the list has them", async () => {
  await addTenant("away");
  answers.set("/away", [410, "gone"]);
  const { id } = await addWebhook("away", { name: "Gone" });
  const { id: off } = await addWebhook("away", { url: url("/off"), name: "Off" });
  await call("away", "PATCH", `/v1/webhooks/${off}`, { status: "disabled" });
  await publish("away", "a.b");
  await until("a webhook that is gone", async () => (await call("away", "GET", `/v1/webhooks/${id}`)).webhook.disabled);
  await Promise.all(Array.from({ length: 101 }, (_, n) => addTenant(`well-${n}`)));
  const { page, context, errors } = await signedIn(browser, base, ADMIN_KEY);
  await page.waitForSelector("#failing tr:has-text('Gone'):has-text('disabled')");
  await page.waitForSelector("h2:text-is('Failing now: 1')");
  // What somebody disabled on purpose does not fail.
  assert.equal(await page.locator("#failing tr:has-text('Off')").count(), 0);
  await page.waitForSelector("table:has(caption:text-is('Tenants')) tbody tr:first-child:has-text('away'):has-text('disabled 1')");
  assert.deepEqual(errors, []);
  await context.close();
});

test("a list of webhooks is sorted as a whole, not as far as it is shown", async () => {
  await addTenant("many");
  answers.set("/many/bad", [500, "no"]);
  const bad = await addWebhook("many", { url: url("/many/bad"), name: "Zebra" });
  await publish("many", "a.b");
  await until("a failing webhook", async () => (await call("many", "GET", `/v1/webhooks/${bad.id}`)).webhook.health === "failing");
  await addWebhook("many", { name: "Aardvark" });
  for (let n = 10; n < 35; n += 1) await addWebhook("many", { name: `Middle ${n}` });
  const { page, context, errors } = await at("/t/many/webhooks");
  const names = () => page.locator("tbody a.row-link").allTextContents();
  assert.equal((await names())[0], "Middle 34");
  // Nobody has to look for what fails.
  assert.equal(await page.textContent("#failing"), "1 webhook is failing.");
  await page.click("#failing");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  await page.goBack();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 20);
  await page.selectOption("#sort", "worst");
  await page.waitForSelector("tbody tr:first-child:has-text('Zebra')");
  assert.equal((await names()).length, 20);
  await page.click("#older");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 27);
  await page.selectOption("#sort", "name");
  await page.waitForSelector("tbody tr:first-child:has-text('Aardvark')");
  assert.equal((await names()).length, 20);
  await page.click("#older");
  await page.waitForSelector("tbody tr:last-child:has-text('Zebra')");
  assert.deepEqual(await names(), (await names()).toSorted());
  assert.equal(await page.isVisible("#older"), false);
  assert.deepEqual(errors, []);
  await context.close();
});

test("Back leads to a list as long as it was, and to where it was left", async () => {
  await addTenant("far");
  for (let n = 10; n < 70; n += 1) await addWebhook("far", { name: `Webhook ${n}` });
  const { page, context, errors } = await at("/t/far/webhooks");
  for (const shown of [40, 60]) {
    await page.click("#older");
    await page.waitForFunction((shown) => document.querySelectorAll("tbody tr").length === shown, shown);
  }
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  const top = await until("a place", () => page.evaluate(() => history.state.top > 0 && history.state.top === Math.round(scrollY) && history.state.top));
  await page.click("text=Webhook 12");
  await page.waitForSelector("#test");
  assert.equal(await page.evaluate(() => scrollY), 0);
  await page.goBack();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 60);
  await page.waitForFunction((top) => Math.round(scrollY) === top, top);
  await page.reload();
  await page.waitForFunction((top) => document.querySelectorAll("tbody tr").length === 60 && Math.round(scrollY) === top, top);
  assert.deepEqual(errors, []);
  await context.close();
});

test("a filter that is wrong is told beside it, and the page stays to mend it on", async () => {
  await addTenant("mistaken");
  const { id } = await addWebhook("mistaken");
  await publish("mistaken", "a.b");
  await until("an attempt", async () => (await call("mistaken", "GET", `/v1/webhooks/${id}/logs`)).logs.length > 0);
  const { page, context, errors } = await signedIn(browser, base, ADMIN_KEY);
  const row = "tr:has-text('a.b')";
  for (const [list, address, type] of [["log", `/t/mistaken/webhooks/${id}`, "#event-type"], ["events", "/t/mistaken/events", "#type"]]) {
    await go(page, address);
    await page.waitForSelector(row);
    await page.fill("#from", "2026-01-02T10:00");
    await settled(page, "since=");
    await page.fill("#to", "2026-01-01T10:00");
    await page.waitForSelector("#wrong-to:has-text('before “Since”')");
    assert.equal(await page.getAttribute("#to", "aria-invalid"), "true");
    assert.deepEqual(await faults(page, list), []);
    await page.fill("#to", "");
    await page.waitForSelector("#wrong-to", { state: "hidden" });
    await page.fill("#from", "");
    await page.waitForSelector(row);
    await page.fill(type, "über");
    await page.press(type, "Enter");
    await page.waitForSelector(`#wrong-${type.slice(1)}:has-text('No event type has such a name')`);
    await page.fill(type, "");
    await page.press(type, "Enter");
    await page.waitForSelector(row);
  }
  await go(page, `/t/mistaken/webhooks/${id}`);
  await page.fill("#event-id", "ü x");
  await page.press("#event-id", "Enter");
  await page.waitForSelector("#wrong-event-id:has-text('must be 1 to 64 characters')");
  await go(page, "/t/mistaken/webhooks?health=nonsense");
  await page.waitForSelector("#wrong-health:has-text('Choose one of the list')");
  await page.selectOption("#health", "healthy");
  await page.waitForSelector("tbody a.row-link");
  // What is not there has a title and a way back.
  await go(page, "/t/mistaken/webhooks/nope");
  await page.waitForSelector("h1:has-text('Not found')");
  await page.click("main a:text-is('Webhooks')");
  await page.waitForSelector("tbody a.row-link");
  await go(page, "/t/nobody/webhooks");
  await page.waitForSelector("h1:has-text('Not found')");
  assert.deepEqual(errors, []);
  await context.close();
});

test("what is chosen, read and typed outlasts refreshes and a change of the chart", async () => {
  await addTenant("held");
  const { id } = await addWebhook("held");
  await publish("held", "a.first");
  await until("an attempt", async () => (await call("held", "GET", `/v1/webhooks/${id}/logs`)).logs.length > 0);
  const { page, context, errors } = await at(`/t/held/webhooks/${id}`);
  // An attempt that newer ones move off the page is sent again all the same.
  await page.check("tr:has-text('a.first') >> input");
  // A bucket that somebody reads, by keyboard.
  await page.focus("#chart-attempts");
  await page.keyboard.press("ArrowLeft");
  const read = (await page.getAttribute("#chart-attempts", "aria-valuetext")).split(":")[0];
  for (let n = 0; n < 30; n += 1) await publish("held", `a.later${n}`);
  await page.waitForSelector("tr:has-text('a.first')", { state: "detached" });
  await page.waitForSelector(".tiles div:has-text('Attempts'):has-text('31')");
  assert.equal(await page.evaluate(() => document.activeElement.id), "chart-attempts");
  assert.ok((await page.getAttribute("#chart-attempts", "aria-valuetext")).startsWith(read));
  await page.click("#send-chosen");
  await message(page, "1 delivery is sent again");
  await until("the first one again", async () => (await call("held", "GET", `/v1/webhooks/${id}/logs?event_type=a.first`)).logs.length === 2);

  // The test and its outcome stay when the chart shows another span; a chart of a week names its days.
  await page.click("#test");
  await page.fill("#test-type", "a.tested");
  await page.fill("#test-data", '{"marker": 1}');
  await page.click("#send-test");
  await page.waitForSelector("#test-outcome:has-text('a.tested')");
  await page.focus("#span");
  await page.selectOption("#span", "week");
  await settled(page, "span=week");
  await isOn(page, "span");
  assert.equal(await page.inputValue("#test-data"), '{"marker": 1}');
  await page.waitForSelector("#test-outcome:has-text('a.tested')");
  const [first, , last] = await page.locator("figure:has(#chart-attempts) .ends span").allTextContents();
  assert.notEqual(first, last);
  assert.match(await page.getAttribute("#chart-attempts", "aria-valuetext"), /\d+, \d\d:\d\d [AP]M: succeeded/);
  assert.deepEqual(errors, []);
  await context.close();
});

test("the chart of the last hour says how far it counts, above the figures, and is not counted at each refresh", async () => {
  await addTenant("busy");
  const { id } = await addWebhook("busy");
  await publish("busy", "a.b");
  await until("an attempt", async () => (await call("busy", "GET", `/v1/webhooks/${id}/logs`)).logs.length > 0);
  const { page, context, errors } = await at("/t/busy/webhooks");
  let [counted, refreshed] = [0, 0];
  page.on("request", (request) => { refreshed += request.url().includes("/deliveries?") ? 1 : 0; });
  // A log that goes on and on.
  await page.route(/\/logs\?since=/, async (route) => {
    counted += 1;
    const own = new URL(route.request().url());
    own.searchParams.delete("cursor");
    const response = await route.fetch({ url: own.href });
    const answer = await response.json();
    answer.data.next_cursor = "more";
    await route.fulfill({ response, json: answer });
  });
  await go(page, `/t/busy/webhooks/${id}?span=hour`);
  await page.waitForSelector(".notice:has-text('The charts show only the newest 5, since') + .tiles");
  // What was read makes the charts, and never the figures.
  assert.equal(await page.textContent(".tiles dd"), "1");
  assert.equal(counted, 5);
  await until("two refreshes", async () => refreshed >= 3);
  assert.equal(counted, 5);
  assert.deepEqual(errors, []);
  await context.close();
});

test("the focus stays where it is when a list is drawn again, and near what is gone", async () => {
  await addTenant("focused");
  answers.set("/focused", [500, "no"]);
  const { id } = await addWebhook("focused");
  await publish("focused", "a.first");
  await until("an attempt", async () => (await call("focused", "GET", `/v1/webhooks/${id}/logs`)).logs.length > 0);
  const { page, context, errors } = await at("/t/focused/events");
  const active = () => page.evaluate(() => [document.activeElement.localName, document.activeElement.id, document.activeElement.textContent]);
  /** Presses Enter on it, and has the focus somewhere once it is gone. */
  const enter = async (selector, gone = selector) => {
    await page.focus(selector);
    await page.keyboard.press("Enter");
    await page.waitForSelector(gone, { state: "detached" });
    return until("the focus", async () => { const found = await active(); return found[0] !== "body" && found; });
  };
  await page.focus("tr:has-text('a.first') >> a.row-link");
  await publish("focused", "a.second");
  await page.waitForSelector("tr:has-text('a.second')");
  assert.equal((await active())[2], "a.first");

  await go(page, `/t/focused/webhooks/${id}`);
  await page.focus("tr:has-text('a.first') >> text=Copy as curl");
  await publish("focused", "a.third");
  await page.waitForSelector("tr:has-text('a.third')");
  assert.equal((await active())[2], "Copy as curl");
  assert.equal(await page.evaluate(() => document.activeElement.closest("tr").querySelector("a").textContent), "a.first");
  await page.focus("#choose-failed");
  await page.keyboard.press("Enter");
  await isOn(page, "send-chosen");
  assert.match((await enter("#choose-none"))[1], /^choose-/);
  await page.click("#rotate");
  await message(page, "Secret rotated");
  // Not on what would rotate it once more.
  assert.equal((await enter("#finish"))[1], "overlap");
  assert.notEqual((await enter(".message >> button >> nth=0", ".message:has-text('Secret rotated')"))[0], "main");
  await call("focused", "PATCH", `/v1/webhooks/${id}`, { status: "disabled" });
  await page.waitForSelector("#switch-recover");
  assert.equal((await enter("#switch-recover"))[1], "edit");

  for (const [name, word, make] of [["links", "end", (n) => call(undefined, "POST", "/v1/tenants/focused/portal-links", { actor: { name: `${n}` } })], ["keys", "revoke", (n) => call(undefined, "POST", "/v1/tenants/focused/keys", { name: `${n}`, scopes: ["read"] })]]) {
    for (const n of [1, 2]) await make(n);
    await go(page, `/t/focused/${name}`);
    const buttons = page.locator(`[id^='${word}-']:not(#end-all)`);
    const [one, other] = await buttons.evaluateAll((all) => all.map((each) => each.id));
    for (const [from, to] of [[one, other], [other, ""]]) {
      await page.focus(`#${from}`);
      await page.keyboard.press("Enter");
      if (word === "revoke") await page.click("dialog .danger");
      await page.waitForSelector(`#${from}`, { state: "detached" });
      await isOn(page, to);
      assert.equal((await active())[0], to ? "button" : "h1");
    }
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test("wrong spans and pauses are told beside their fields until they are mended, and the focus stays near", async () => {
  await addTenant("spans");
  answers.set("/spans", [500, "no"]);
  const { id } = await addWebhook("spans");
  for (const n of [1, 2]) await publish("spans", `a.b${n}`);
  const waits = async () => (await call("spans", "GET", `/v1/webhooks/${id}/deliveries?status=pending`)).deliveries.length;
  await until("two waits", async () => await waits() === 2);
  const { page, context, errors } = await at(`/t/spans/webhooks/${id}?tab=pending`);
  await page.click("#recover");
  await page.fill("#since", "2026-01-02T10:00");
  await page.fill("#until", "2026-01-01T10:00");
  await page.click("#count");
  await page.waitForSelector("#wrong-until:has-text('before “Since”')");
  await isOn(page, "until");
  await page.fill("#since", "");
  await page.fill("#until", "");
  await page.selectOption("#scope", "pending");
  await page.click("#count");
  await page.click("#send");
  assert.equal(await page.isVisible("#wrong-until"), false);
  await isOn(page, "count");

  await page.click("#pause");
  await page.selectOption("#pause-for", "");
  await page.fill("#pause-until", "2026-01-01T10:00");
  await page.click("#begin-pause");
  await page.waitForSelector("[id='wrong-pause-until']:has-text('in the future')");
  await page.selectOption("#pause-for", "1");
  await page.click("#begin-pause");
  await message(page, "Paused");
  await isOn(page, "pause");
  assert.equal(await page.locator(".message.bad").count(), 0);

  // Whoever cancels row by row stays in the list.
  await page.click("button:has-text('Cancel'):not(#cancel-all)");
  await until("one wait", async () => await waits() === 1);
  await page.waitForFunction(() => /^(cancel-|tab-pending)/.test(document.activeElement.id));
  assert.deepEqual(errors, []);
  await context.close();
});

test("a new event type overwrites none, and one is marked where it is deprecated, told by its values and found by address", async () => {
  await addTenant("defined");
  const schema = { type: "object", properties: { state: { type: "string", enum: ["open", "shut"] }, kind: { enum: [1, null] } } };
  await call(undefined, "PUT", "/v1/event-types/door.moved", { description: "A door", schema });
  await call(undefined, "PUT", "/v1/event-types/door.old", { description: "A door before", deprecated: { use: "door.moved" } });
  const { page, context, errors } = await at("/new-type");
  await page.click("#save-type");
  await page.waitForSelector("#problem-type:has-text('Enter a name')");
  await page.fill("#type", "door.moved");
  assert.equal(await page.textContent("#problem-type"), "");
  await page.fill("#description", "Another");
  await page.click("#save-type");
  await page.waitForSelector("#problem-type:has-text('already')");
  assert.equal((await call(undefined, "GET", "/v1/event-types/door.moved")).event_type.description, "A door");

  await page.evaluate(() => { location.hash = "/types"; });
  await page.click("dialog .danger");
  await page.waitForSelector("#find-type");
  await page.fill("#find-type", "before");
  await page.waitForFunction(() => location.hash === "#/types?q=before");
  await page.reload();
  await page.waitForSelector("tbody tr:has-text('door.old')");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await go(page, "/types/door.moved");
  await page.waitForSelector("tr:has-text('state'):has-text('string one of open shut')");
  await page.waitForSelector("tr:has-text('kind'):has-text('one of 1 null')");

  await go(page, "/t/defined/add");
  await page.check("#events-some");
  await page.waitForSelector("li:has(#type-door\\.old):has-text('deprecated'):has-text('Use door.moved instead.')");
  await page.type("#url", "ftp://x");
  await page.waitForSelector("#problem-url:has-text('with HTTPS')");
  for (const [wrong, told] of [["https://?", "with HTTPS"], ["https://a b", "no blanks"]]) {
    await page.fill("#url", wrong);
    await page.waitForSelector(`#problem-url:has-text('${told}')`);
  }
  await page.fill("#url", "https://x");
  assert.equal(await page.textContent("#problem-url"), "");
  // The name of a type goes, and the focus to the next one.
  for (const name of ["a.*", "b.*"]) {
    await page.fill("#own-type", name);
    await page.click("#add-type");
  }
  await page.click("[id='remove-a.*']");
  await isOn(page, "remove-b.*");
  await page.keyboard.press("Enter");
  await isOn(page, "own-type");
  assert.deepEqual(errors, []);
  await context.close();
});

test("a long URL leaves the pages as wide and the buttons as near as they are, and every webhook can have a link", async () => {
  await addTenant("long");
  const { id } = await addWebhook("long", { url: url(`/long/${"x".repeat(1900)}`) });
  for (let n = 0; n < 101; n += 1) await addWebhook("long", { url: url("/short"), events: ["a.b"] });
  const { event } = await publish("long", "a.c");
  const { page, context, errors } = await at("/t/long/links");
  assert.deepEqual(await faults(page, "links"), []);
  await page.selectOption("#webhook", id);
  await go(page, `/t/long/events/${event.id}`);
  await page.waitForSelector(`tr:has-text('${id}'):has-text('xxxx')`);
  await page.setViewportSize({ width: 390, height: 844 });
  await go(page, `/t/long/webhooks/${id}`);
  assert.ok((await page.locator("#test").boundingBox()).y < 500);
  assert.deepEqual(errors, []);
  await context.close();
});

for (const [dialect, signature] of [["shopify", "x-shopify-hmac-sha256"], ["slack", "x-slack-signature"]]) {
  test(`the verification code of a webhook of ${dialect} verifies what ${dialect} signs`, async () => {
    await addTenant(dialect, dialect);
    const { id, secret } = await addWebhook(dialect);
    await call(dialect, "POST", `/v1/webhooks/${id}/test`, {});
    const sent = receiver.received.find(({ path }) => path === `/${dialect}`);
    const { page, context, errors } = await at(`/t/${dialect}/webhooks/${id}`);
    await page.click("#verification summary");
    for (const language of ["JavaScript", "Python", "PHP"]) {
      await page.selectOption("#language", language);
      const snippet = await page.textContent("#snippet");
      assert.ok(snippet.includes(signature), snippet);
      if (language === "PHP") continue;
      assert.ok(verifies(language, snippet, sent, secret), language);
      assert.ok(!verifies(language, snippet, { ...sent, body: Buffer.from("{}") }, secret), language);
    }
    assert.deepEqual(errors, []);
    await context.close();
  });
}

test("a filter chosen before the page has followed the one before adds to it, and an exact status can be asked for", async () => {
  await addTenant("narrow");
  answers.set("/narrow", [404, "no"]);
  const { id } = await addWebhook("narrow");
  await publish("narrow", "a.b");
  await until("an attempt", async () => (await call("narrow", "GET", `/v1/webhooks/${id}/logs`)).logs.length > 0);
  const { page, context, errors } = await at(`/t/narrow/webhooks/${id}`);
  const choose = (field, value) => page.evaluate(([field, value]) => {
    const input = document.querySelector(field);
    input.value = value;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, [field, value]);
  await page.waitForSelector("tr:has-text('a.b')");
  // Both within the view that knows neither, as when the first one's list takes long.
  let release;
  const slow = new Promise((resume) => { release = resume; });
  await page.route(/status=failed/, async (route) => { await slow; await route.continue(); });
  await choose("#status", "failed");
  await choose("#event-type", "a.b");
  await page.waitForFunction(() => location.hash.includes("event_type=a.b"));
  release();
  assert.match(await page.evaluate(() => location.hash), /status=failed/);
  await settled(page, "event_type=a.b");
  // One taken back leaves the others, what is chosen, and what somebody types.
  await page.check("tr:has-text('a.b') >> input");
  await page.evaluate(() => { document.querySelector("#response").value = "4x"; });
  await choose("#status", "");
  await settled(page, "?event_type=a.b");
  assert.equal(await page.inputValue("#response"), "4x");
  assert.ok(await page.isChecked("tr:has-text('a.b') >> input"));
  await page.click("#choose-none");
  await page.fill("#response", "404");
  await page.press("#response", "Enter");
  await settled(page, "response_status=404");
  await page.waitForSelector("tr:has-text('a.b')");
  await page.fill("#response", "500");
  await page.press("#response", "Enter");
  await page.waitForSelector("text=No matching attempts");
  await page.fill("#response", "many");
  await page.press("#response", "Enter");
  await page.waitForSelector("#wrong-response:not(:empty)");
  assert.deepEqual(errors, []);
  await context.close();
});

test("whoever leaves a form that is not saved is asked, and nobody who has saved it", async () => {
  await addTenant("edited");
  await call("edited", "PUT", "/v1/event-types/a.b", { description: "A type" });
  const { id } = await addWebhook("edited", { name: "Before", events: ["a.b"] });
  const form = `/t/edited/webhooks/${id}/edit`;
  const { page, context, errors } = await at(`/t/edited/webhooks/${id}`);
  await page.click("#edit");
  await page.waitForSelector("#name");
  // Searching the events to choose from is no edit.
  await page.fill("#find-type", "a.");
  assert.equal(await page.locator("form[data-edited]").count(), 0);
  await page.fill("#name", "After");
  await page.click(".crumbs a");
  await page.waitForSelector("dialog:has-text('Leave without saving?')");
  assert.deepEqual(await faults(page, "leaving"), []);
  await page.click("dialog button:not(.danger)");
  await page.waitForSelector("dialog", { state: "detached" });
  assert.equal(await page.inputValue("#name"), "After");
  assert.equal(await page.evaluate(() => location.hash), `#${form}`);
  // The browser asks too, before the tab is closed or loaded anew.
  const asked = [];
  page.on("dialog", (dialog) => { asked.push(dialog.type()); dialog.dismiss(); });
  await page.evaluate(() => { setTimeout(() => location.reload()); });
  await until("the browser's question", () => asked.includes("beforeunload"));
  assert.equal(await page.inputValue("#name"), "After");
  await page.click(".crumbs a >> nth=0");
  await page.click("dialog .danger");
  await page.waitForFunction(() => document.querySelector("#main").dataset.address === "#/t/edited/webhooks");
  await go(page, form);
  await page.fill("#name", "Later");
  await page.click("#save");
  await message(page, "Webhook saved");
  await page.waitForSelector("h1:has-text('Later')");
  assert.equal(await page.locator("dialog").count(), 0);
  await page.evaluate(() => { setTimeout(() => location.reload()); });
  await page.waitForSelector("h1:has-text('Later')");
  assert.deepEqual(asked, ["beforeunload"]);
  assert.deepEqual(errors, []);
  await context.close();
});

test("the operator finds an event by its id, whosever it is", async () => {
  await addTenant("lost");
  await addTenant("found");
  await addWebhook("found");
  const { event } = await publish("found", "a.b");
  const { event: silent } = await publish("lost", "a.c");
  const { page, context, errors } = await at("/");
  await page.click("#nav a:text-is('Find an event')");
  await page.waitForSelector("text=Which event?");
  for (const [{ id, type }, tenant, what] of [[event, "found", "1 succeeded"], [silent, "lost", "none"]]) {
    await page.fill("#event-id", ` ${id} `);
    await page.click("#find-event");
    await page.waitForSelector(`tr:has-text('${type}'):has-text('${tenant}'):has-text('${what}')`);
  }
  await page.waitForSelector("text=Tenants asked:");
  assert.deepEqual(await faults(page, "found"), []);
  await page.click("a.row-link");
  await page.waitForFunction((to) => document.querySelector("#main").dataset.address === to, `#/t/lost/events/${silent.id}`);
  await go(page, "/events");
  await page.fill("#event-id", "evt_nobodys");
  await page.click("#find-event");
  await page.waitForSelector("text=No such event");
  await page.fill("#event-id", event.id);
  await page.fill("#event-tenant", "found");
  await page.click("#find-event");
  await page.waitForFunction((to) => document.querySelector("#main").dataset.address === to, `#/t/found/events/${event.id}`);
  assert.deepEqual(errors, []);
  await context.close();
});

test("the catalogue tells for each dialect how what arrives is verified, and of a type who has defined it", async () => {
  await addTenant("guided", "shopify");
  await call("guided", "PUT", "/v1/event-types/orders/paid", { description: "Paid" });
  const { page, context, errors } = await at("/t/guided/types");
  await page.waitForSelector("#guide #snippet:has-text('x-shopify-hmac-sha256')");
  assert.equal(await page.inputValue("#guide-dialect"), "shopify");
  for (const [dialect, header] of [["standard", "webhook-signature"], ["stripe", "stripe-signature"], ["slack", "x-slack-signature"], ["bharatcart", "x-webhook-signature"]]) {
    await page.selectOption("#guide-dialect", dialect);
    await page.waitForSelector(`#guide #snippet:has-text('${header}')`);
  }
  assert.deepEqual(await faults(page, "guide"), []);
  await page.selectOption("#guide-dialect", "reward");
  await page.waitForSelector("#guide:has-text('does not sign')");
  await go(page, "/t/guided/types/orders%2Fpaid");
  await page.waitForSelector("dl div:has(dt:text-is('Defined by')):has-text('the tenant')");
  assert.deepEqual(errors, []);
  await context.close();
});

test("what waits is drawn by when it is due, read by keyboard and as a table", async () => {
  await addTenant("backlog");
  answers.set("/backlog", [500, "no"]);
  const { id } = await addWebhook("backlog");
  for (const n of [1, 2, 3]) await publish("backlog", `a.b${n}`);
  await until("three waits", async () => (await call("backlog", "GET", `/v1/webhooks/${id}/deliveries?status=pending`)).deliveries.length === 3);
  const { page, context, errors } = await signedIn(browser, base, ADMIN_KEY);
  // Due when the test says so.
  const wait = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
  await page.route(/\/deliveries\?/, async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    for (const [n, each] of answer.data.deliveries.entries()) each.next_attempt_at = wait([-5, 1_800, 200_000][n % 3]);
    await route.fulfill({ response, json: answer });
  });
  await go(page, `/t/backlog/webhooks/${id}`);
  const said = () => page.getAttribute("#chart-backlog", "aria-valuetext");
  assert.equal(await said(), "now: waiting 1");
  await page.focus("#chart-backlog");
  for (let n = 0; n < 3; n += 1) await page.keyboard.press("ArrowRight");
  assert.equal(await said(), "≤ 1 h: waiting 1");
  await page.keyboard.press("End");
  assert.equal(await said(), "later: waiting 1");
  await page.click("#chart-backlog-table summary");
  await page.waitForSelector("#chart-backlog-table table");
  const cells = page.locator("#chart-backlog-table tbody td:last-child");
  assert.deepEqual(await cells.allTextContents(), ["1", "0", "0", "1", "0", "0", "1"]);
  assert.deepEqual(await faults(page, "backlog"), []);
  assert.deepEqual(errors, []);
  await context.close();
});

test("what waits is counted over the webhooks of a tenant, and of all, and leads to where most waits", async () => {
  await addTenant("sum");
  answers.set("/sum/bad", [500, "no"]);
  const ids = [];
  for (const [name, events, number] of [["Most", ["a.*"], 3], ["Less", ["b.*"], 1], ["Nothing", ["c.*"], 0]]) {
    const { id } = await addWebhook("sum", { name, events, url: url("/sum/bad") });
    for (let n = 0; n < number; n += 1) await publish("sum", `${events[0][0]}.b`);
    await until("waits", async () => (await call("sum", "GET", `/v1/webhooks/${id}/deliveries?status=pending`)).deliveries.length === number);
    ids.push(id);
  }
  const { page, context, errors } = await at("/t/sum/stats");
  await page.waitForSelector("text=counted in 3 webhooks");
  await page.click("#chart-backlog-table summary");
  await page.waitForSelector("#chart-backlog-table table");
  const numbers = await page.locator("#chart-backlog-table tbody td:last-child").allTextContents();
  assert.equal(numbers.reduce((sum, number) => sum + Number(number), 0), 4);
  const most = page.locator("p:has-text('Most waits for') > span");
  assert.deepEqual(await most.allTextContents(), ["Most 3", "Less 1"]);
  assert.deepEqual(await faults(page, "waits of a tenant"), []);
  await most.first().locator("a").click();
  await settled(page, `/t/sum/webhooks/${ids[0]}?tab=pending`);
  // Where more waits than was read, it says so.
  await page.route(/deliveries\?.*limit=100/, async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    if (answer.data.deliveries.length === 3) answer.data.next_cursor = "more";
    await route.fulfill({ response, json: answer });
  });
  // Over all tenants, each webhook is asked for in its own.
  await go(page, "/stats");
  await page.waitForSelector(`p:has-text('Most waits for') span:has(a[href^='#/t/sum/webhooks/${ids[0]}']):has-text('Most 3+')`);
  assert.deepEqual(errors, []);
  await context.close();
});

test("on a phone the present page is in sight among the others, and a box stands where its label begins", async () => {
  const { page, context, errors } = await at("/deployment", { viewport: { width: 360, height: 800 } });
  const box = await page.locator("#nav [aria-current]").boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box));
  await go(page, "/new-type");
  const left = async (id) => (await page.locator(id).boundingBox()).x;
  assert.ok(await left("#deprecated") - await left("#use") < 8);
  await page.setViewportSize({ width: 1280, height: 800 });
  await go(page, "/audit");
  await page.waitForSelector("tbody tr");
  // Long values leave room for who did what.
  const widths = await page.evaluate(() => [1, 2].map((column) => document.querySelector(`td:nth-child(${column}) > div`).offsetWidth));
  assert.ok(widths[0] >= 180 && widths[1] >= 120, `${widths}`);
  assert.deepEqual(errors, []);
  await context.close();
});

/** Puts what waits in the queue of retries among its dead letters, and with them a message that nobody can read. */
const BURY = `import sqlite3, sys, time
queues = sqlite3.connect(sys.argv[1])
key = "(SELECT key FROM queue WHERE name = ?)"
moved = queues.execute(f"UPDATE message SET visible_ms = 0, queue = {key} WHERE queue = {key}", ["retry-dead", "retry"])
assert moved.rowcount == 1, moved.rowcount
queues.execute(f'INSERT INTO message (queue, sent_ms, visible_ms, "group", body) VALUES ({key}, ?, 0, "", "from a stranger")', ["deliver-dead", int(1000 * time.time())])
queues.commit()`;

test("dead letters stay in sight while the list refreshes, and are delivered once they are sent round again", async (test) => {
  const dead = await start();
  test.after(dead.stop);
  const fromDead = (...args) => callAt(dead.base, ...args);
  await fromDead(undefined, "POST", "/v1/tenants", { id: "dead", name: "Dead" });
  answers.set("/dead", [500, "no"]);
  const { webhook: { id } } = await fromDead("dead", "POST", "/v1/webhooks", { url: url("/dead"), events: ["*"] });
  const { event } = await fromDead("dead", "POST", "/v1/events", { type: "a.b", data: {} });
  await until("a wait", async () => (await fromDead("dead", "GET", `/v1/webhooks/${id}/deliveries?status=pending`)).deliveries.length === 1);
  const base = await dead.again((data) => execFileSync("python3", ["-c", BURY, join(data, "sqs.sqlite")]));
  answers.set("/dead", [200, "ok"]);
  const { page, context, errors } = await signedIn(dead.browser, base, ADMIN_KEY);
  await go(page, "/dead-letters");
  const rows = page.locator("tbody tr");
  await page.waitForSelector(`tr:has-text('attempt'):has-text('retry'):has-text('${id}'):has-text('${event.id}')`);
  await page.waitForSelector("tr:has-text('unknown'):has-text('deliver')");
  assert.deepEqual(await page.locator(".tiles dd").allTextContents(), ["1", "1"]);
  assert.deepEqual(await faults(page, "dead letters"), []);
  // Whoever looks hides them from the next look for some seconds.
  await page.waitForResponse(/dead-letters/);
  await page.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(await rows.count(), 2);
  // So does another tab, which is told what it does not see.
  const other = await signedIn(dead.browser, base, ADMIN_KEY);
  await go(other.page, "/dead-letters");
  await other.page.waitForSelector(".empty:has-text('2 cannot be shown at present')");
  await other.page.waitForSelector("tbody tr:nth-child(2)");
  await other.context.close();

  await page.click("#redrive");
  await page.click("dialog .danger");
  await message(page, "The redrive has begun");
  await until("the delivery", () => receiver.received.filter(({ path }) => path === "/dead").length === 2);
  // What nobody can read is still there.
  await page.waitForFunction(() => [...document.querySelectorAll(".tiles dd")].map(({ textContent }) => textContent).join() === "1,0");
  await page.waitForFunction((event) => !document.querySelector("main").textContent.includes(event), event.id);
  assert.deepEqual(errors, []);
  await context.close();
});

test("durations and shares are written in a unit that says something, and as the reader writes numbers", async () => {
  for (const [locale, expected] of [
    ["de-DE", ["950 ms", "5,1 s", "90 s", "6 h", "1 d", "3 min", "99,9\u00a0%", "50\u00a0%"]], ["en-US", ["950 ms", "5.1 s", "90 s", "6 h", "1 d", "3 min", "99.9%", "50%"]],
  ]) {
    const { page, context } = await opened(browser, base, base, { locale });
    const written = await page.evaluate(async () => {
      const { duration, share } = await import("/dashboard/dom.js");
      return [...[950, 5_100, 90_000, 21_640_000, 86_436_000, 180_000].map(duration), share(9_999, 10_000), share(1, 2)];
    });
    assert.deepEqual(written, expected);
    await context.close();
  }
});
