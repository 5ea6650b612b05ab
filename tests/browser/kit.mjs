// What the tests in a browser share: a Rung of their own, its API, and a browser.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [browserPath, rungPath] = process.argv.slice(2);
export const ADMIN_KEY = "the-operators-own-key-0123456789";
export const PATIENCE_MS = 30_000;
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/**
 * Starts `rung dev` with these flags, and with these settings of the portal, and a browser; answers both, Rung's address, what
 * ends them, and what starts Rung anew, once something was done to its data.
 */
export async function start(flags = [], portal = undefined) {
  const folder = await mkdtemp(join(tmpdir(), "rung-browser-"));
  const data = join(folder, "data");
  const own = ["--addr", "127.0.0.1:0", "--data", data, "--admin-key", ADMIN_KEY];
  const env = { ...process.env, ...(portal && { RUNG_PORTAL: JSON.stringify(portal) }) };
  let rung;
  const run = async () => {
    rung = spawn(rungPath, ["dev", ...own, ...flags], { stdio: ["ignore", "pipe", "inherit"], env });
    const [line] = await once(createInterface(rung.stdout), "line");
    return line.replace("rung: listening on ", "").trim();
  };
  const base = await run();
  const browser = await chromium.launch({ executablePath: browserPath, args: FLAGS });
  const stop = async () => {
    await browser.close();
    rung.kill();
    await rm(folder, { recursive: true, force: true });
  };
  /** Rung's next address. */
  const again = async (meanwhile) => {
    const ended = once(rung, "exit");
    rung.kill();
    await ended;
    meanwhile(data);
    return run();
  };
  return { base, browser, stop, again };
}

/** A receiver that keeps what it gets, and answers as `answer` says for a path: a status and a body. */
export async function receive(answer) {
  const received = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    received.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks) });
    const [status, body] = answer(request.url);
    response.writeHead(status).end(body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { received, url: (path) => `http://127.0.0.1:${server.address().port}${path}`, close: () => server.close() };
}

/** Whether something comes to be true. */
export async function until(what, found) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    const value = await found();
    if (value) return value;
    await new Promise((resume) => setTimeout(resume, 50));
  }
  assert.fail(`waited in vain for ${what}`);
}

/** A page with an address opened; with what went wrong on it, and what it asked of others than `base`. */
export async function opened(browser, base, address, options) {
  const context = await browser.newContext(options);
  const errors = [];
  context.on("weberror", (error) => errors.push(String(error.error())));
  context.on("request", (request) => { if (!request.url().startsWith(base)) errors.push(`asked for ${request.url()}`); });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(address);
  return { page, context, errors };
}

/** A page on which somebody has signed in with a key. */
export async function signedIn(browser, base, key, options) {
  const tab = await opened(browser, base, base, options);
  await tab.page.fill("#key", key);
  await tab.page.click("button[type=submit]");
  await tab.page.waitForSelector("#top:not([hidden])");
  return tab;
}

/** What axe-core finds on a page as it stands, by WCAG 2.2 A and AA and by good practice, or by these rules alone; and whether it scrolls sideways. */
export async function faults(page, name, rules) {
  await page.evaluate(() => { for (const each of document.querySelectorAll("main details")) each.open = true; });
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(AXE);
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(rules ? { runOnly: { type: "rule", values: rules } } : {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], rules: { "label-content-name-mismatch": { enabled: true } },
  }), rules);
  const found = violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html.slice(0, 150)).join(" | ")}`);
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  return isWide ? [...found, `${name}: scrolls sideways`] : found;
}

/** Takes a picture for the documents, if `RUNG_PICTURES` says so. */
export async function picture(page, name) {
  if (!process.env.RUNG_PICTURES) return;
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 70 });
  await writeFile(new URL(`../../docs/pictures/${name}.webp`, import.meta.url), Buffer.from(data, "base64"));
}

/** Makes a call with the operator's key, in a tenant's name where one is given; its data. */
export async function call(base, tenant, method, path, body) {
  const headers = { Authorization: `Bearer ${ADMIN_KEY}`, ...(tenant && { "Rung-Tenant": tenant }) };
  const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer.data;
}

/** Runs the page's snippet against what was sent, as the customer's server would. */
export function verifies(language, snippet, { headers, body }, secret) {
  const given = JSON.stringify({ headers, body: body.toString("base64"), secret });
  const [program, ...args] = language === "Python"
    ? ["python3", "-c", `${snippet}\nimport json, sys\ngiven = json.loads(sys.stdin.read())\nprint(verify(base64.b64decode(given["body"]), given["headers"], given["secret"]))`.replace(/^/, "import base64\n")]
    : ["node", "--input-type=module", "--eval", `${snippet}\nimport { readFileSync } from "node:fs";\nconst given = JSON.parse(readFileSync(0, "utf8"));\nconsole.log(verify(Buffer.from(given.body, "base64"), given.headers, given.secret));`];
  return execFileSync(program, args, { input: given }).toString().trim().toLowerCase() === "true";
}
