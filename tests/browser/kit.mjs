// What the tests in a browser share: a Rung of their own, its API, and a browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [browserPath, rungPath] = process.argv.slice(2);
export const ADMIN_KEY = "the-operators-own-key-0123456789";
export const PATIENCE_MS = 30_000;
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** Starts `rung dev` with these flags and a browser; answers both, Rung's address, and what ends them. */
export async function start(...flags) {
  const folder = await mkdtemp(join(tmpdir(), "rung-browser-"));
  const own = ["--addr", "127.0.0.1:0", "--data", join(folder, "data"), "--admin-key", ADMIN_KEY];
  const rung = spawn(rungPath, ["dev", ...own, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(rung.stdout), "line");
  const browser = await chromium.launch({ executablePath: browserPath, args: FLAGS });
  const stop = async () => {
    await browser.close();
    rung.kill();
    await rm(folder, { recursive: true, force: true });
  };
  return { base: line.replace("rung: listening on ", "").trim(), browser, stop };
}

/** Makes a call with the operator's key, in a tenant's name where one is given; its data. */
export async function call(base, tenant, method, path, body) {
  const headers = { Authorization: `Bearer ${ADMIN_KEY}`, ...(tenant && { "Rung-Tenant": tenant }) };
  const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer.data;
}
