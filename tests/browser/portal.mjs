// The portal in a product's own pages, as an operator has dressed it: the example, on an origin of its own.
//
//   node portal.mjs BROWSER RUNG

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ADMIN_KEY, call as callAt, faults, opened, picture, signedIn, start, until } from "./kit.mjs";

let base, browser, stop, product, home;

const call = (...args) => callAt(base, ...args);

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

before(async () => {
  const port = await freePort();
  home = `http://127.0.0.1:${port}`;
  const logo = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" width="22" height="22"><rect width="22" height="22" rx="5" fill="#0a7d5a"/></svg>')}`;
  ({ base, browser, stop } = await start([], { name: "Acme", logo, accent: "#0a7d5a", theme: "light", pages: ["webhooks", "types"], frame_ancestors: [home] }));
  await callAt(base, undefined, "POST", "/v1/tenants", { id: "acme", name: "Acme Inc.", plan: "gold" });
  const server = fileURLToPath(new URL("../../examples/portal-embed/server.mjs", import.meta.url));
  // Links that end in a minute and a bit: the next one is asked for at once.
  const env = { ...process.env, RUNG_URL: base, RUNG_ADMIN_KEY: ADMIN_KEY, PORT: `${port}`, LINK_SECONDS: "62" };
  product = spawn(process.execPath, [server], { env, stdio: ["ignore", "pipe", "inherit"] });
  await once(product.stdout, "data");
});

after(async () => {
  product?.kill();
  await stop?.();
});

const links = async () => (await call(undefined, "GET", "/v1/tenants/acme/portal-links")).portal_links;

test("a product shows the portal in its page and renews its token, also when all links were ended", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(home);
  const frame = page.frameLocator("iframe");
  await frame.locator("#add").first().click();
  await frame.locator("#url").fill("http://127.0.0.1:1/hooks");
  await frame.locator("#name").fill("Orders");
  await picture(page, "embedded");
  await frame.locator("#save").click();
  await frame.locator("#signing-secret").waitFor();
  const address = page.frames()[1].url();

  // The first link has been followed by another, and the reader has noticed nothing.
  await until("a renewal", async () => (await links()).length >= 2);
  assert.equal(page.frames()[1].url(), address);
  await call(undefined, "DELETE", "/v1/tenants/acme/portal-links");
  await frame.locator("#edit").click();
  await frame.locator("#name").fill("All orders");
  await frame.locator("#save").click();
  await until("a change with a new token", async () => (await call("acme", "GET", "/v1/webhooks")).webhooks[0].name === "All orders");
  assert.equal(await frame.locator("#key").count(), 0);
  const { entries: [entry] } = await call("acme", "GET", "/v1/audit?action=webhook.updated");
  assert.deepEqual([entry.actor.kind, entry.actor.name], ["portal", "jo@acme.example"]);
  await context.close();
});

test("nobody else frames it, and a token from elsewhere is not taken", async () => {
  const other = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end(`<!doctype html><iframe src="${base}/"></iframe>`)).listen(0, "127.0.0.1");
  await once(other, "listening");
  const context = await browser.newContext();
  const page = await context.newPage();
  const refused = page.waitForEvent("console", (line) => line.text().includes("frame-ancestors"));
  await page.goto(`http://127.0.0.1:${other.address().port}/`);
  await refused;
  other.close();

  // The product's page frames the portal, and something else in the page tries to sign it in.
  const { portal_link: { token } } = await call(undefined, "POST", "/v1/tenants/acme/portal-links", {});
  await page.goto(home);
  await page.evaluate((src) => { document.body.innerHTML = `<iframe id="portal" src="${src}"></iframe><iframe id="stranger" srcdoc="<p>"></iframe>`; }, `${base}/`);
  // By their elements: a frame of another origin may come to the end of the page's list.
  const [portal, stranger] = await Promise.all(["#portal", "#stranger"].map(async (id) => (await page.waitForSelector(id)).contentFrame()));
  await stranger.evaluate((token) => { for (let n = 0; n < 3; n += 1) parent.frames[0].postMessage({ type: "rung:token", token }, "*"); }, token);
  await portal.waitForSelector("#ended", { timeout: 20_000 });
  assert.equal(await portal.locator("#key").count(), 0);
  await context.close();
});

test("a link of another tenant shows that one, and nothing of the one before", async () => {
  await call(undefined, "POST", "/v1/tenants", { id: "globex", name: "Globex" });
  const { webhook } = await call("globex", "POST", "/v1/webhooks", { url: "http://127.0.0.1:1/globex", events: ["*"], name: "Theirs" });
  const linkOf = async (tenant) => (await call(undefined, "POST", `/v1/tenants/${tenant}/portal-links`, {})).portal_link.url;
  const { page, context, errors } = await opened(browser, base, await linkOf("globex"));
  await page.waitForSelector("tr:has-text('Theirs')");
  await page.goto(await linkOf("acme"));
  await page.waitForSelector("tr:has-text('orders')");
  assert.equal(await page.isVisible("tr:has-text('Theirs')"), false);
  await page.goto(`${base}/#/webhooks/${webhook.id}`);
  await page.waitForSelector("[role=alert]");
  assert.deepEqual(errors, []);
  await context.close();
});

test("it looks as the operator wants it, shows the pages that the operator chose, and speaks the reader's language", async () => {
  const { portal_link: link } = await call(undefined, "POST", "/v1/tenants/acme/portal-links", { capabilities: ["manage", "secrets", "test"], return_url: "http://127.0.0.1:1/settings" });
  const { page, context, errors } = await opened(browser, base, link.url, { locale: "de-DE", colorScheme: "dark" });
  await page.click("text=Webhook hinzufügen");
  await page.waitForSelector("button:has-text('Webhook anlegen')");
  assert.equal(await page.title(), "Webhook hinzufügen · Acme");
  assert.equal(await page.textContent("#brand-name"), "Acme");
  assert.deepEqual(await page.locator("#nav a").allTextContents(), ["Webhooks", "Ereignistypen"]);
  assert.equal(await page.getAttribute("html", "lang"), "de");
  const [button, background] = await page.evaluate(() => [document.querySelector("#save"), document.body].map((element) => getComputedStyle(element).backgroundColor));
  assert.deepEqual([button, background], ["rgb(10, 125, 90)", "rgb(246, 246, 248)"]);
  assert.deepEqual(await faults(page, "German"), []);
  await page.check("#events-some");
  await page.click("#save");
  await page.waitForSelector("#problem-events:has-text('Wählen Sie mindestens einen Ereignistyp')");
  await page.click("nav >> text=Webhooks >> nth=0");
  await page.click("dialog .danger");
  await page.click("nav >> text=Webhooks >> nth=0");
  await page.click("table >> a.row-link");
  await page.waitForSelector("text=Letzte Zustellungen");
  assert.deepEqual(await faults(page, "German webhook"), []);
  assert.deepEqual(errors, []);
  await context.close();
});

test("the operator sees each setting of the portal, and where it is made", async () => {
  const { page, context, errors } = await signedIn(browser, base, ADMIN_KEY);
  await page.evaluate(() => { location.hash = "/deployment"; });
  const card = page.locator("section:has(h2:text-is('Portal'))");
  await card.locator("p:has-text('RUNG_PORTAL'):has-text('Portal of the template')").waitFor();
  const [names, values] = [await card.locator("dt").allTextContents(), await card.locator("dd").allTextContents()];
  assert.deepEqual(names.map((name, index) => [name, values[index]]), [
    ["Name", "Acme"], ["Logo", ""], ["Colour", "#0a7d5a"], ["Theme", "light"], ["Language", "the browser's"], ["Sentences", "Rung's"], ["Pages", "webhookstypes"], ["May be framed by", home],
  ]);
  assert.equal(await card.locator("img").count(), 1);
  assert.deepEqual(errors, []);
  await context.close();
});

test("it speaks a language whose sentences the operator serves, and English where one is missing", async () => {
  const { portal_link: link } = await call(undefined, "POST", "/v1/tenants/acme/portal-links", { capabilities: ["manage"] });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.route(`${base}/v1`, async (route) => {
    const response = await route.fetch();
    const about = await response.json();
    Object.assign(about.data.portal, { language: "fr", sentences: `${base}/fr.json` });
    await route.fulfill({ response, json: about });
  });
  await page.route(`${base}/fr.json`, (route) => route.fulfill({ json: { "Add webhook": "Ajouter un webhook", "{0} of {1}": 7 } }));
  await page.goto(link.url);
  await page.click("text=Ajouter un webhook");
  await page.waitForSelector("button:has-text('Create webhook')");
  assert.equal(await page.getAttribute("html", "lang"), "fr");
  await context.close();
});

test("a link that has ended leads back to the product, and so does signing out", async () => {
  const back = "http://127.0.0.1:1/settings";
  const linkOf = async () => (await call(undefined, "POST", "/v1/tenants/acme/portal-links", { return_url: back })).portal_link;
  const { page, context, errors } = await opened(browser, base, (await linkOf()).url);
  await page.waitForSelector("tbody tr");
  assert.match(await page.getAttribute("#icon", "href"), /^data:image/);
  const ended = async (text) => {
    await page.waitForSelector(`#ended:has-text("${text}")`);
    assert.equal(await page.textContent("#ended h1"), "Acme");
    assert.match(await page.getAttribute("#ended img", "src"), /^data:image/);
    assert.equal(await page.getAttribute("#way-back", "href"), back);
    assert.equal(await page.locator("#key").count(), 0);
    assert.deepEqual(await faults(page, text), []);
  };
  await page.click("#sign-out");
  await ended("You are signed out");
  const { id, url } = await linkOf();
  await page.goto(url);
  await page.waitForSelector("tbody tr");
  await call(undefined, "DELETE", `/v1/tenants/acme/portal-links/${id}`);
  await page.click("#nav >> text=Event types");
  await ended("This link has ended");
  // Also after a reload, and with the link once more.
  await page.reload();
  await ended("This link has ended");
  await page.goto(url);
  await page.waitForSelector("#ended");
  assert.deepEqual(errors, []);
  await context.close();
});

test("a link is opened once somebody answers, if not at first, also after a reload", async () => {
  const linkOf = async () => (await call(undefined, "POST", "/v1/tenants/acme/portal-links", {})).portal_link.url;
  const context = await browser.newContext();
  const page = await context.newPage();
  let away = true;
  await page.route(`${base}/v1/me`, (route) => (away ? route.abort() : route.continue()));
  for (const again of [() => page.click("text=Try again"), () => page.reload()]) {
    away = true;
    await page.goto(await linkOf());
    await page.waitForSelector("[role=alert]:has-text('No answer')");
    assert.equal(await page.evaluate(() => location.hash), "#/");
    away = false;
    await again();
    await page.waitForSelector("tbody tr");
  }
  await context.close();
});

test("a product that fails once to bring a link is asked again, and the customer works on", async () => {
  const context = await browser.newContext();
  const problems = [];
  context.on("weberror", (error) => problems.push(String(error.error())));
  const page = await context.newPage();
  let fails = 0;
  await page.route(`${home}/portal-link`, (route) => {
    fails -= 1;
    return fails >= 0 ? route.fulfill({ status: 500, body: "no" }) : route.continue();
  });
  await page.goto(home);
  const frame = page.frameLocator("iframe");
  await frame.locator("#add").first().waitFor();
  fails = 2;
  await call(undefined, "DELETE", "/v1/tenants/acme/portal-links");
  await frame.locator("#nav >> text=Event types").click();
  await frame.locator("h1:has-text('Event types')").waitFor();
  assert.ok(fails < 0);
  // Where none comes, the page can be asked for one later.
  fails = 1000;
  await call(undefined, "DELETE", "/v1/tenants/acme/portal-links");
  await frame.locator("#nav >> text=Webhooks").click();
  await frame.locator("#ended").waitFor();
  assert.equal(await frame.locator("#key").count(), 0);
  fails = 0;
  await frame.locator("#ended >> text=Try again").click();
  await frame.locator("#add").first().waitFor();
  assert.deepEqual(problems, []);
  await context.close();
});

test("a script that did not come is asked for again", async () => {
  const { portal_link: { url } } = await call(undefined, "POST", "/v1/tenants/acme/portal-links", {});
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForSelector("tbody tr");
  await page.route(`${base}/dashboard/catalogue.js`, (route) => route.abort());
  await page.click("#nav >> text=Event types");
  await page.waitForSelector("[role=alert]:has-text('No answer. Are you online?')");
  await page.unroute(`${base}/dashboard/catalogue.js`);
  await page.click("text=Try again");
  await page.waitForSelector("h1:has-text('Event types')");
  await context.close();
});

test("the time of the next token is counted by the server's clock", async () => {
  const { portal_link: { url } } = await call(undefined, "POST", "/v1/tenants/acme/portal-links", {});
  const context = await browser.newContext();
  await context.addInitScript(() => {
    const now = Date.now;
    Date.now = () => now() + 2 * 3_600_000;
  });
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForSelector("tbody tr");
  const minutes = await page.evaluate(async () => {
    const { renewalIn } = await import("./dashboard/frame.js");
    const { ends, life } = JSON.parse(sessionStorage.getItem("rung.session"));
    return [renewalIn(ends, life), renewalIn(0, life)].map((ms) => Math.round(ms / 60_000));
  });
  // An hour, but for a minute; and never more than six times in it.
  assert.ok(Math.abs(minutes[0] - 59) <= 1, `${minutes[0]} minutes`);
  assert.equal(minutes[1], 10);
  await context.close();
});

test("while nobody answers, something is shown, and the token is in no address", async () => {
  const { portal_link: { url } } = await call(undefined, "POST", "/v1/tenants/acme/portal-links", {});
  const context = await browser.newContext();
  const page = await context.newPage();
  let answer;
  await page.route(`${base}/v1`, async (route) => {
    await new Promise((resume) => { answer = resume; });
    const response = await route.fetch();
    const about = await response.json();
    Object.assign(about.data.portal, { language: "fr", sentences: `${base}/never.json` });
    await route.fulfill({ response, json: about });
  });
  // Sentences that never come are not waited for.
  await page.route(`${base}/never.json`, () => {});
  await page.goto(url);
  await page.waitForSelector(".skeleton");
  assert.equal(await page.evaluate(() => location.hash), "#/");
  await until("a call", () => answer);
  answer();
  await page.waitForSelector("tbody tr");
  await context.close();
});

test("what has the focus is framed in a colour that can be seen, whatever the accent", async () => {
  const { portal_link: { url } } = await call(undefined, "POST", "/v1/tenants/acme/portal-links", {});
  const context = await browser.newContext();
  const page = await context.newPage();
  let looks;
  await page.route(`${base}/v1`, async (route) => {
    const response = await route.fetch();
    const about = await response.json();
    Object.assign(about.data.portal, looks);
    await route.fulfill({ response, json: about });
  });
  for (const [accent, theme, colour] of [["#ffe45c", "light", "rgb(67, 83, 201)"], ["#ffe45c", "dark", "rgb(255, 228, 92)"], ["#0a7d5a", "light", "rgb(10, 125, 90)"]]) {
    looks = { accent, theme };
    await page.goto("about:blank");
    await page.goto(url);
    await page.focus("#find");
    assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineColor), colour, `${accent} ${theme}`);
  }
  await context.close();
});

test("a product that starts leaves a tenant that there is as it is", async () => {
  const { tenant } = await call(undefined, "GET", "/v1/tenants/acme");
  assert.deepEqual([tenant.name, tenant.plan], ["Acme Inc.", "gold"]);
});

test("why a webhook gets nothing is said in the reader's language", async () => {
  await call(undefined, "POST", "/v1/tenants", { id: "unproven", name: "Unproven" });
  await call("unproven", "POST", "/v1/webhooks", { url: "http://127.0.0.1:1/", events: ["*"], challenge: true });
  const { portal_link: { url } } = await call(undefined, "POST", "/v1/tenants/unproven/portal-links", {});
  const { page, context } = await opened(browser, base, url, { locale: "de-DE" });
  await page.waitForSelector("tbody tr:has-text('Endpunkt nicht geprüft')");
  await call("unproven", "POST", "/v1/events", { id: "evt_1", type: "a.b", data: {} });
  await page.evaluate(() => { location.hash = "/events"; });
  await page.waitForSelector("tr:has-text('Jeder passende Webhook ist deaktiviert.')");
  await page.evaluate(() => { location.hash = "/events/evt_2"; });
  await page.waitForSelector("[role=alert]:has-text('Unter dieser Id gibt es nichts, oder nichts mehr.')");
  await context.close();
});

test("whose plan has no webhooks is offered none, and told why", async () => {
  await call(undefined, "POST", "/v1/tenants", { id: "small", name: "Small", dialect: "odin", plan: "free" });
  const { portal_link: { url } } = await call(undefined, "POST", "/v1/tenants/small/portal-links", { capabilities: ["manage"] });
  const { page, context } = await opened(browser, base, url);
  await page.waitForSelector("text=The plan has no webhooks.");
  assert.equal(await page.locator("text=Add webhook").count(), 0);
  for (const [form, told] of [["add", "The plan has no webhooks."], ["publish", "does not allow this page"]]) {
    await page.evaluate((form) => { location.hash = `/${form}`; }, form);
    await page.waitForSelector(`main:has(h1:text-is('Not allowed')):has-text('${told}')`);
    assert.equal(await page.locator("main form").count(), 0);
  }
  await context.close();
});
