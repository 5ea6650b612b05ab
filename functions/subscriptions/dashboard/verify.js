// How a receiver verifies what it gets, in the reader's language: a snippet that runs as it stands.

import { choice, copyButton, field, h } from "./dom.js";
import { t } from "./lang.js";

// What each function of a snippet is given; comments that begin a line of a script are not served.
const TOLD = "body: the bytes as they arrived. headers: with names in lower case. secret: whsec_…";
const [GIVEN, GIVEN_IN_PYTHON, GIVEN_IN_PHP] = [`// ${TOLD}`, `# ${TOLD}`, `// $body: as it arrived. $headers: with names in lower case. $secret: whsec_…`];

const STANDARD = {
  JavaScript: () => `import { createHmac, timingSafeEqual } from "node:crypto";

${GIVEN}
export function verify(body, headers, secret) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": sent } = headers;
  if (Math.abs(Date.now() / 1000 - at) > 300) return false;
  const expected = createHmac("sha256", key).update(\`\${id}.\${at}.\`).update(body).digest();
  return sent.split(" ").some((one) => {
    const [version, signature] = one.split(",");
    const given = Buffer.from(signature ?? "", "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
}`,
  Python: () => `import base64, hashlib, hmac, time

${GIVEN_IN_PYTHON}
def verify(body, headers, secret):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    id, at = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(at)) > 300:
        return False
    digest = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" "))`,
  PHP: () => `<?php
${GIVEN_IN_PHP}
function verify(string $body, array $headers, string $secret): bool {
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
    $at = $headers['webhook-timestamp'];
    if (abs(time() - (int) $at) > 300) return false;
    $signed = $headers['webhook-id'] . '.' . $at . '.' . $body;
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', $signed, $key, true));
    foreach (explode(' ', $headers['webhook-signature']) as $one) {
        if (hash_equals($expected, $one)) return true;
    }
    return false;
}`,
};

const HASH = {
  JavaScript: ({ header, prefix, isBase64 }) => `import { createHmac, timingSafeEqual } from "node:crypto";

${GIVEN}
export function verify(body, headers, secret) {
  const expected = Buffer.from("${prefix}" + createHmac("sha256", secret).update(body).digest("${isBase64 ? "base64" : "hex"}"));
  const given = Buffer.from(headers["${header}"] ?? "");
  return given.length === expected.length && timingSafeEqual(given, expected);
}`,
  Python: ({ header, prefix, isBase64 }) => `import ${isBase64 ? "base64, " : ""}hashlib, hmac

${GIVEN_IN_PYTHON}
def verify(body, headers, secret):
    ${isBase64
    ? `expected = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()`
    : `expected = "${prefix}" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()`}
    return hmac.compare_digest(expected, headers.get("${header}", ""))`,
  PHP: ({ header, prefix, isBase64 }) => `<?php
${GIVEN_IN_PHP}
function verify(string $body, array $headers, string $secret): bool {
    $expected = ${isBase64 ? "base64_encode(hash_hmac('sha256', $body, $secret, true))" : `'${prefix}' . hash_hmac('sha256', $body, $secret)`};
    return hash_equals($expected, $headers['${header}'] ?? '');
}`,
};

const TIMED = {
  JavaScript: ({ header }) => `import { createHmac, timingSafeEqual } from "node:crypto";

${GIVEN}
export function verify(body, headers, secret) {
  const [, at, signature] = /^t=(\\d+),v1=([0-9a-f]+)/.exec(headers["${header}"] ?? "") ?? [];
  if (!at || Math.abs(Date.now() / 1000 - at) > 300) return false;
  const expected = createHmac("sha256", secret).update(\`\${at}.\`).update(body).digest();
  const given = Buffer.from(signature, "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}`,
  Python: ({ header }) => `import hashlib, hmac, time

${GIVEN_IN_PYTHON}
def verify(body, headers, secret):
    parts = dict(part.split("=", 1) for part in headers.get("${header}", "").split(",") if "=" in part)
    at = parts.get("t", "0")
    if abs(time.time() - int(at)) > 300:
        return False
    expected = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))`,
  PHP: ({ header }) => `<?php
${GIVEN_IN_PHP}
function verify(string $body, array $headers, string $secret): bool {
    if (!preg_match('/^t=(\\d+),v1=([0-9a-f]+)/', $headers['${header}'] ?? '', $found)) return false;
    if (abs(time() - (int) $found[1]) > 300) return false;
    return hash_equals(hash_hmac('sha256', $found[1] . '.' . $body, $secret), $found[2]);
}`,
};

const SLACK = {
  JavaScript: () => `import { createHmac, timingSafeEqual } from "node:crypto";

${GIVEN}
export function verify(body, headers, secret) {
  const at = headers["x-slack-request-timestamp"] ?? "0";
  if (!(Math.abs(Date.now() / 1000 - at) <= 300)) return false;
  const expected = Buffer.from("v0=" + createHmac("sha256", secret).update(\`v0:\${at}:\`).update(body).digest("hex"));
  const given = Buffer.from(headers["x-slack-signature"] ?? "");
  return given.length === expected.length && timingSafeEqual(given, expected);
}`,
  Python: () => `import hashlib, hmac, time

${GIVEN_IN_PYTHON}
def verify(body, headers, secret):
    at = headers.get("x-slack-request-timestamp", "0")
    if abs(time.time() - int(at)) > 300:
        return False
    expected = "v0=" + hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers.get("x-slack-signature", ""))`,
  PHP: () => `<?php
${GIVEN_IN_PHP}
function verify(string $body, array $headers, string $secret): bool {
    $at = $headers['x-slack-request-timestamp'] ?? '0';
    if (abs(time() - (int) $at) > 300) return false;
    return hash_equals('v0=' . hash_hmac('sha256', "v0:$at:$body", $secret), $headers['x-slack-signature'] ?? '');
}`,
};

/** What the built-in dialects sign, and how: digits of a hash of the body, behind a prefix, or the time and the body. */
const OWN = {
  "x-badger-signature": { write: HASH, prefix: "" },
  "x-webhook-signature": { write: HASH, prefix: "" },
  "x-patra-signature": { write: HASH, prefix: "sha256=" },
  "x-hub-signature-256": { write: HASH, prefix: "sha256=" },
  "x-shopify-hmac-sha256": { write: HASH, prefix: "", isBase64: true },
  "x-odin-signature": { write: TIMED },
  "stripe-signature": { write: TIMED },
  "x-slack-signature": { write: SLACK },
};

/** The snippets for a webhook by language, by the headers that sign it. A dialect of the operator's own has those of Standard Webhooks. */
export function snippets({ signatures }) {
  for (const { header } of signatures) {
    const own = OWN[header.toLowerCase()];
    if (own) return Object.entries(own.write).map(([language, write]) => [language, write({ header: header.toLowerCase(), ...own })]);
  }
  const isStandard = signatures.some(({ header, scheme }) => header.toLowerCase() === "webhook-signature" && scheme === "v1");
  return isStandard ? Object.entries(STANDARD).map(([language, write]) => [language, write()]) : [];
}

/** What the built-in dialects sign with, by which their webhooks are told too. */
const SIGNED = {
  standard: "webhook-signature", badger: "x-badger-signature", patra: "x-patra-signature", bharatcart: "x-webhook-signature", odin: "x-odin-signature",
  github: "x-hub-signature-256", stripe: "stripe-signature", shopify: "x-shopify-hmac-sha256", slack: "x-slack-signature",
};

/** The guide for each of these dialects, of which one is chosen. */
export function dialectGuide(dialects, chosen) {
  const place = h("div");
  const draw = (name) => {
    const known = SIGNED[name] && verification({ signatures: [{ header: SIGNED[name], scheme: "v1" }] });
    const missing = name === "reward" ? t`This dialect does not sign what it sends.` : t`What signs it stands in the details of a webhook of this dialect.`;
    if (known) known.open = true;
    place.replaceChildren(
      h("p", { class: "sub" }, dialects.find((each) => each.name === name)?.description ?? ""),
      known ? h("p", null, t`Signed in the header ${h("code", null, SIGNED[name])}.`) : h("p", null, missing), known ?? "");
  };
  draw(chosen);
  return h("section", { class: "card", id: "guide" }, h("div", { class: "heading" }, h("h2", null, t`How to verify what arrives`),
    field(t`Dialect`, choice(dialects.map(({ name }) => name), chosen, { id: "guide-dialect", change: ({ target }) => draw(target.value) }))), place);
}

/** A guide to verifying what a webhook is sent; nothing where the page knows no snippet. */
export function verification(webhook) {
  const all = new Map(snippets(webhook));
  if (all.size === 0) return undefined;
  const code = h("code", { id: "snippet" });
  const bar = h("span");
  const draw = (language) => {
    code.textContent = all.get(language);
    bar.replaceChildren(copyButton(all.get(language), t`Copy the code`, t`Copy the code`) ?? "");
  };
  const language = choice([...all.keys()], "JavaScript", { id: "language", change: ({ target }) => draw(target.value) });
  draw("JavaScript");
  return h("details", { id: "verification" }, h("summary", null, t`Verify what arrives`),
    h("div", { class: "fields" },
      h("div", { class: "actions" }, field(t`Language`, language), bar),
      h("pre", { tabindex: 0, "aria-label": t`Verification code` }, code)));
}
