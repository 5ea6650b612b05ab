// The dashboard in a browser: what comes from outside runs nothing there, and the key is kept in the tab's session alone.
//
//   node dashboard.mjs BROWSER RUNG
//
// Every text that anybody outside can put somewhere tries to run `ran`. The pages are looked at twice: as they are served, and
// with their Content-Security-Policy switched off, so that it is not the policy alone that stops them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ADMIN_KEY, PATIENCE_MS, call as callAt, start, until } from "./kit.mjs";

/** A text that runs in any place where markup is made of it, and says which field it came from. */
const hostile = (field) => `'"></code></pre><img src=x onerror="ran('${field}')"><svg onload=ran('${field}')></svg>`;
/** The same for a field whose length is bounded. */
const short = (field) => `<img src=x onerror=ran("${field}")>`;
/** The same without blanks. */
const URL_TEXT = `'"><img/src=x/onerror=ran("url")>`;

// ---- Rung, a receiver that means harm, and a tenant of its like

let base, browser, stop, receiver;
const acme = {};

const call = (...args) => callAt(base, "acme", ...args);

/** Answers by script: with markup, with JSON that has markup in it, or not at all. */
function answer(request, response) {
  request.resume().on("end", () => {
    if (request.url.startsWith("/none")) return request.socket.destroy();
    response.setHeader("X-Hostile", hostile("answer's header"));
    const [type, body] = request.url.startsWith("/json")
      ? ["application/json", JSON.stringify({ [hostile("answer's name")]: hostile("answer's value") })]
      : ["text/html", `<!doctype html>${hostile("answer's body")}`];
    response.writeHead(500, { "Content-Type": type }).end(body);
  });
}

/** A webhook whose attempts fail, with everything in it that a tenant may say; its id and its first attempt. */
async function failing(path) {
  const { webhook } = await call("POST", "/v1/webhooks", {
    url: `http://127.0.0.1:${receiver.address().port}${path}?${URL_TEXT}`,
    events: ["*"],
    name: short(`name of ${path}`),
    description: hostile("description"),
    headers: { "X-Own": hostile("own header") },
    metadata: { [hostile("metadata's name")]: hostile("metadata's value") },
    filter: { text: [{ "anything-but": [hostile("filter")] }] },
  });
  return webhook.id;
}

before(async () => {
  receiver = createServer(answer).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const dialect = fileURLToPath(new URL("hostile.toml", import.meta.url));
  ({ base, browser, stop } = await start(["--dialect", dialect]));
  await callAt(base, undefined, "POST", "/v1/tenants", { id: "acme", name: short("tenant's name"), dialect: "hostile" });
  const { key } = await callAt(base, undefined, "POST", "/v1/tenants/acme/keys", { name: short("key's name"), scopes: ["manage", "publish"] });
  acme.key = key.key;
  acme.webhooks = [];
  for (const path of ["/html", "/json", "/none"]) acme.webhooks.push(await failing(path));
  const { event } = await call("POST", "/v1/events", {
    type: "card.updated", data: { [hostile("payload's name")]: hostile("payload's value"), text: short("payload's text") },
    metadata: { text: hostile("event's metadata") },
  });
  acme.event = event.id;
  acme.logs = [];
  for (const id of acme.webhooks) {
    const [log] = await until("an attempt", async () => {
      const { logs } = await call("GET", `/v1/webhooks/${id}/logs`);
      return logs.length > 0 && logs;
    });
    acme.logs.push(log.id);
  }
});

after(async () => {
  await stop?.();
  receiver?.close();
});

// ---- Looking

/** A tab that notes what must not happen: texts that run, what the policy stopped, and requests that are not the page's own. */
async function tab({ bypassCSP = false } = {}) {
  const context = await browser.newContext({ bypassCSP });
  const seen = { ran: [], stopped: [], strange: [], requests: [], errors: [] };
  await context.exposeFunction("ran", (field) => { seen.ran.push(field); });
  await context.exposeFunction("stopped", (what) => { seen.stopped.push(what); });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective, sample }) => globalThis.stopped(`${violatedDirective} ${sample}`));
  });
  context.on("request", (request) => {
    seen.requests.push(request);
    if (new URL(request.url()).origin !== base) seen.strange.push(request.url());
  });
  context.on("dialog", (dialog) => {
    // The browser's own question before a form is left that is not saved.
    if (dialog.type() === "beforeunload") return dialog.accept();
    return seen.strange.push(dialog.message());
  });
  context.on("weberror", (error) => { seen.errors.push(String(error.error())); });
  const page = await context.newPage();
  page.on("popup", (popup) => { seen.strange.push(popup.url()); });
  page.on("download", (download) => { seen.strange.push(download.url()); });
  page.setDefaultTimeout(PATIENCE_MS);
  return { context, page, seen };
}

/** Opens the address behind the `#` in a document of its own, and waits for its view. */
async function open(page, address) {
  await page.goto("about:blank");
  await page.goto(`${base}/#${address}`);
  await page.waitForSelector("#main > :not(.skeleton)");
  await page.waitForSelector("#progress", { state: "hidden" });
}

async function signIn(page, key) {
  await open(page, "/");
  await page.fill("#key", key);
  await page.click("button[type=submit]");
  await page.waitForSelector("#top:not([hidden])");
}

/** All that a person can read on the page, inputs included. */
const text = (page) => page.evaluate(() => {
  const typed = [...document.querySelectorAll("input, textarea")].map(({ value }) => value);
  return [document.title, document.body.textContent, ...typed].join("\n");
});

/** Elements and attributes that the page does not make by itself. */
const made = (page) => page.evaluate(() => {
  const loads = ["src", "href", "srcdoc", "action", "formaction", "data", "poster", "xlink:href", "srcset"];
  const own = (value) => value.startsWith("#") || value.startsWith("dashboard/") || value === "openapi.json";
  const strange = [];
  for (const element of document.querySelectorAll("*")) {
    const name = element.localName;
    const tells = () => strange.push(element.outerHTML.slice(0, 200));
    if (["iframe", "object", "embed", "base", "style", "frame"].includes(name)) tells();
    if (["script", "meta", "link"].includes(name) && element.parentElement !== document.head) tells();
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || name === "style" || (loads.includes(name) && !own(value))) tells();
    }
  }
  return strange;
});

/** Every page that shows something from outside, and the fields whose texts it must show. */
const pages = () => {
  const [html, json, none] = acme.webhooks;
  const [htmlLog, jsonLog, noneLog] = acme.logs;
  const of = "/t/acme";
  const sent = [hostile("own header"), "payload's value", "payload's name"];
  return [
    ["/", [short("tenant's name")]],
    [`${of}/webhooks`, ["/html", "/json", "/none"].map((path) => short(`name of ${path}`))],
    [`${of}/webhooks/${html}`, [short("name of /html"), hostile("description"), "metadata's name", "metadata's value", "filter", URL_TEXT]],
    [`${of}/webhooks/${json}?tab=pending`, [short("name of /json")]],
    [`${of}/webhooks/${html}?event_id=__proto__`, ["__proto__"]],
    [`${of}/webhooks/${html}?event_id=${encodeURIComponent(hostile("address"))}`, ["must be 1 to 64 characters", hostile("address")]],
    [`${of}/webhooks/${html}?event_type=${encodeURIComponent(short("type in the address"))}&status=${encodeURIComponent(hostile("status"))}`, []],
    [`${of}/webhooks/${html}/attempts/${htmlLog}`, [...sent, hostile("answer's header"), hostile("answer's body"), short("name of /html")]],
    [`${of}/webhooks/${json}/attempts/${jsonLog}`, [...sent, "answer's name", "answer's value"]],
    [`${of}/webhooks/${none}/attempts/${noneLog}`, [...sent, short("name of /none")]],
    [`${of}/events`, ["card.updated"]],
    [`${of}/events/${acme.event}`, ["payload's name", "payload's value", "payload's text", short("name of /html")]],
    [`${of}/webhooks/${html}/edit`, [short("name of /html"), hostile("description"), hostile("own header"), "metadata's value", "filter", URL_TEXT, "type description"]],
    [`${of}/add`, ["type description"]],
    [`${of}/types`, ["type description"]],
    [`${of}/types/card.updated`, ["type description", "sample"]],
    [`${of}/audit`, [short("key's name"), "manage"]],
    [`${of}/keys`, [short("key's name")]],
    [`${of}/types/card.updated/edit`, ["type description", "sample"]],
    [`${of}/webhooks/${html}?tab=pending&waiting=${encodeURIComponent(hostile("waiting"))}`, []],
    [`${of}/links`, []],
    [`${of}/settings`, [short("tenant's name")]],
    [`${of}/jobs?webhook_id=${encodeURIComponent(short("webhook in the address"))}`, []],
    [`${of}/stats?span=${encodeURIComponent(short("span"))}`, []],
    ["/keys", []],
    ["/jobs", []],
    ["/audit", [short("key's name")]],
    ["/dead-letters", []],
    ["/deployment", []],
    [`/types?dialect=hostile`, ["type description"]],
    [`${of}/publish`, [`<img src=x onerror='ran("type description")'>`, "sample"]],
    // What somebody else may send as a link.
    [`${of}/events/${encodeURIComponent(hostile("event in the address"))}`, []],
    [`${of}/webhooks/${encodeURIComponent(hostile("webhook in the address"))}`, []],
    [`/t/${encodeURIComponent("<b>nobody</b>")}/webhooks`, ["<b>nobody</b>"]],
    [`${of}/${encodeURIComponent(hostile("page"))}`, []],
    [`/t/javascript:ran("tenant in the address")/webhooks`, []],
    [`/t/../webhooks`, []],
  ];
};

async function look({ page }) {
  const looked = [];
  for (const [address, shown] of pages()) {
    await open(page, address);
    const read = await text(page);
    for (const field of shown) assert.ok(read.includes(field), `${address} does not show ${field}:\n${read}`);
    looked.push(...(await made(page)).map((element) => `${address}: ${element}`));
  }
  return looked;
}

/** What a person does, for the messages that come of it. */
async function work({ page }) {
  const of = "/t/acme";
  await open(page, `${of}/webhooks/${acme.webhooks[0]}`);
  await page.click("#test");
  await page.click("#send-test");
  await page.waitForSelector("#test-outcome");
  await page.click("#prove");
  await page.waitForSelector("#findings");
  await page.click("#recover");
  await page.click("#count");
  await page.waitForSelector("#recovery .outcome p");
  await open(page, `${of}/webhooks/${acme.webhooks[0]}/attempts/${acme.logs[0]}`);
  await page.click("#retry");
  await page.waitForSelector(".message");
  await open(page, `${of}/add`);
  await page.check("#events-some");
  await page.fill("#own-type", hostile("type"));
  await page.click("#add-type");
  await page.fill("#url", URL_TEXT);
  await page.click("#save");
  await page.waitForSelector("#problem-events:not(:empty)");
  await open(page, `${of}/publish`);
  await page.fill("#id", short("id"));
  await page.fill("#data", `{"a": ${JSON.stringify(hostile("data"))}, ${JSON.stringify(hostile("member"))}: 1}`);
  await page.click("#publish");
  await page.waitForSelector("#problem-id:not(:empty)");
  await page.fill("#id", "");
  await page.fill("#data", hostile("no JSON"));
  await page.click("#publish");
  await page.waitForSelector("#problem-data:not(:empty)");
  return made(page);
}

for (const bypassCSP of [false, true]) {
  test(`nothing from outside runs, ${bypassCSP ? "also without the policy" : "nor comes as far as the policy"}`, async () => {
    const looking = await tab({ bypassCSP });
    const { context, page, seen } = looking;
    await open(page, "/");
    await page.fill("#key", `<img/src=x/onerror=ran("key")>`);
    await page.click("button[type=submit]");
    await page.waitForSelector(".problem:not(:empty)");
    await signIn(page, ADMIN_KEY);
    assert.deepEqual(await look(looking), []);
    assert.deepEqual(await work(looking), []);
    assert.deepEqual([seen.ran, seen.stopped, seen.strange, seen.errors], [[], [], [], []]);
    await context.close();
  });
}

// A page that does make markup of texts, to see that all of the above would notice.
for (const bypassCSP of [false, true]) {
  test(`a dashboard that makes markup of texts is told, ${bypassCSP ? "without its policy" : "which its policy stops"}`, async () => {
    const looking = await tab({ bypassCSP });
    const { context, page, seen } = looking;
    await page.route("**/dashboard/dom.js", async (route) => {
      const served = await route.fetch();
      const source = await served.text();
      const asText = /element\.append\((\.\.\.children\.flat\(Infinity\)\.filter\(.*\))\);\n/;
      assert.match(source, asText);
      const asMarkup = 'for (const child of [$1]) child instanceof Node ? element.append(child) : element.insertAdjacentHTML("beforeend", child);\n';
      await route.fulfill({ response: served, body: source.replace(asText, asMarkup) });
    });
    await signIn(page, ADMIN_KEY);
    await open(page, `/t/acme/webhooks/${acme.webhooks[0]}`);
    assert.notDeepEqual(await made(page), []);
    const noticed = bypassCSP ? seen.ran : seen.stopped;
    await until("what the text does", () => noticed.length > 0);
    assert.equal(seen.ran.length > 0, bypassCSP, String(seen.ran));
    await context.close();
  });
}

test("a portal link opens what it allows, and its token is nowhere in the page", async () => {
  const { context, page, seen } = await tab();
  const [webhook] = acme.webhooks;
  for (const [link, address, offered] of [
    [{ return_url: "https://app.example/settings" }, "#/webhooks", { "#test": false, "#switch": false, "#recover": false }],
    [{ capabilities: ["test"], webhook_id: webhook }, `#/webhooks/${webhook}`, { "#test": true, "#switch": false, "#recover": false }],
    [{ capabilities: ["manage"] }, "#/webhooks", { "#test": false, "#switch": true, "#recover": true }],
  ]) {
    const { portal_link: made } = await call("POST", "/v1/tenants/acme/portal-links", link);
    assert.ok(made.url.startsWith(`${base}/#t=rp_`), made.url);
    await page.goto("about:blank");
    await page.goto(made.url);
    await page.waitForSelector("#top:not([hidden])");
    await until("the start page", async () => await page.evaluate(() => location.hash) === address);
    assert.equal(await page.isVisible("#back"), link.return_url !== undefined);
    if (link.return_url) assert.equal(await page.getAttribute("#back", "href"), link.return_url);
    assert.equal(await page.locator("#nav a", { hasText: "Publish" }).count(), 0);
    await open(page, `/webhooks/${webhook}`);
    for (const [element, is] of Object.entries(offered)) assert.equal(await page.locator(element).count() > 0, is, element);
    const told = await page.evaluate(() => [location.href, JSON.stringify(history.state), document.documentElement.outerHTML].join("\n"));
    assert.ok(!told.includes(made.token));
    for (const request of seen.requests) assert.ok(!request.url().includes(made.token), request.url());
  }
  // Once it has ended, the page says so and forgets it.
  await call("DELETE", "/v1/tenants/acme/portal-links");
  await page.goto("about:blank");
  await page.goto(`${base}/#/webhooks`);
  await page.waitForSelector("#ended");
  assert.deepEqual([seen.ran, seen.stopped, seen.strange, seen.errors], [[], [], [], []]);
  await context.close();
});

test("the key is kept in the tab's session alone", async () => {
  for (const key of [ADMIN_KEY, acme.key]) {
    const { context, page, seen } = await tab();
    const of = key === ADMIN_KEY ? "/t/acme" : "";
    await signIn(page, key);
    await open(page, `${of}/webhooks/${acme.webhooks[0]}`);
    const kept = await page.evaluate(async () => {
      const cached = await caches.keys();
      const databases = await indexedDB.databases();
      const workers = (await navigator.serviceWorker.getRegistrations()).length;
      const elsewhere = { local: { ...localStorage }, cookie: document.cookie, databases, cached, workers };
      const onThePage = [location.href, JSON.stringify(history.state), name, document.documentElement.outerHTML].join("\n");
      return { session: JSON.stringify({ ...sessionStorage }), elsewhere, onThePage };
    });
    assert.ok(kept.session.includes(key));
    assert.deepEqual(kept.elsewhere, { local: {}, cookie: "", databases: [], cached: [], workers: 0 });
    assert.ok(!kept.onThePage.includes(key));
    assert.deepEqual(await context.cookies(), []);

    let sent = 0;
    for (const request of seen.requests) {
      const { authorization, ...headers } = await request.allHeaders();
      const told = JSON.stringify([request.url(), headers, request.postData()]);
      assert.ok(!told.includes(key), told);
      assert.ok(!authorization || /^\/v1(\/|$)/.test(new URL(request.url()).pathname), request.url());
      sent += authorization === `Bearer ${key}`;
    }
    assert.ok(sent > 3, `the key was sent ${sent} times`);

    // Another tab knows nothing of it, nor does this one once somebody has signed out.
    const other = await context.newPage();
    await open(other, `${of}/webhooks`);
    assert.ok(await other.isVisible("#key"));
    await page.click("#sign-out");
    await page.waitForSelector("#key");
    assert.ok(!(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes(key));
    await context.close();
  }
});
