import { createHmac, timingSafeEqual } from "node:crypto";
import { Webhook } from "standardwebhooks";

/** The dialects of Rung whose deliveries can be verified here. */
export type Dialect = "standard" | "reward" | "badger" | "patra" | "bharatcart" | "odin" | "github" | "shopify" | "slack" | "stripe";

/** A request as it came. */
export interface Received {
  /** Node's, or those of `fetch`. */
  headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The raw body: the bytes as received, not parsed. */
  body: string | Uint8Array;
}

/** What to verify with. */
export interface VerifyOptions extends Received {
  dialect: Dialect;
  /** The webhook's secret; during a rotation the new one and the old one. Without one, {@link verify} throws a `TypeError`. */
  secret: string | readonly string[] | null | undefined;
}

/** The request is not a genuine delivery: answer 401. */
export class VerificationError extends Error {
  override name = "VerificationError";
}

/** How far a signed time may be from the clock: as in `standardwebhooks`. */
const TOLERANCE_S = 5 * 60;

/** More signatures than a rotation makes are not looked at. */
const SIGNATURES = 10;

/** How the signature of a body stands in its header, per dialect. */
const PLAIN = {
  badger: { header: "x-badger-signature", prefix: "", encoding: "hex" },
  patra: { header: "x-patra-signature", prefix: "sha256=", encoding: "hex" },
  bharatcart: { header: "x-webhook-signature", prefix: "", encoding: "hex" },
  github: { header: "x-hub-signature-256", prefix: "sha256=", encoding: "hex" },
  shopify: { header: "x-shopify-hmac-sha256", prefix: "", encoding: "base64" },
} as const;

/** Returns the body, parsed, of a genuine delivery; throws {@link VerificationError} otherwise. */
export function verify({ dialect, secret, headers, body }: VerifyOptions): unknown {
  if (typeof body !== "string" && !(body instanceof Uint8Array)) throw new TypeError("body: must be the raw body, as bytes or a string");
  const text = Buffer.from(body as Uint8Array).toString();
  const secrets = typeof secret === "string" ? [secret] : (secret ?? []);
  if (secrets.length === 0 || !secrets.every((one) => typeof one === "string" && one !== "")) {
    throw new TypeError("secret: must be a text or a list of texts, none of them empty");
  }
  if (!secrets.some((one) => isSigned(dialect, one, headers, text))) throw new VerificationError("the signature does not match");
  try {
    return JSON.parse(text);
  } catch {
    throw new VerificationError("the body is no JSON");
  }
}

function isSigned(dialect: Dialect, secret: string, headers: Received["headers"], body: string): boolean {
  switch (dialect) {
    case "standard":
    case "reward":
      return isStandard(secret, headers, body);
    case "odin":
      return isTimed(secret, header(headers, "x-odin-signature"), body, 1);
    case "stripe":
      return isTimed(secret, header(headers, "stripe-signature"), body, SIGNATURES);
    case "slack":
      return isSlack(secret, headers, body);
    default: {
      if (!Object.hasOwn(PLAIN, dialect)) {
        throw new TypeError(`dialect: this client does not verify ${dialect}; \`rung dialects show ${dialect} --snippet typescript\` prints code that does`);
      }
      const { header: name, prefix, encoding } = PLAIN[dialect];
      return equal(header(headers, name), prefix + hmac(secret, body, encoding));
    }
  }
}

/** `t=UNIX,v1=HEX` of `UNIX.BODY`; during a rotation some dialects have several `v1`. */
function isTimed(secret: string, given: string, body: string, most: number): boolean {
  const [, time = "", signed = ""] = /^t=(\d{1,15})((?:,v1=[0-9a-f]{64})+)$/.exec(given) ?? [];
  if (!isNow(time)) return false;
  const signatures = signed.split(",v1=").slice(1);
  const expected = hmac(secret, `${time}.${body}`);
  return signatures.length <= most && signatures.some((signature) => equal(signature, expected));
}

/** `v0=HEX` of `v0:UNIX:BODY`. */
function isSlack(secret: string, headers: Received["headers"], body: string): boolean {
  const time = header(headers, "x-slack-request-timestamp");
  return isNow(time) && equal(header(headers, "x-slack-signature"), `v0=${hmac(secret, `v0:${time}:${body}`)}`);
}

function isNow(time: string): boolean {
  return /^\d{1,15}$/.test(time) && Math.abs(Date.now() / 1000 - Number(time)) <= TOLERANCE_S;
}

function isStandard(secret: string, headers: Received["headers"], body: string): boolean {
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  const webhook = standardWebhook(secret);
  try {
    webhook.verify(body, Object.fromEntries(names.map((name) => [name, header(headers, name)])), { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

function standardWebhook(secret: string): Webhook {
  try {
    return new Webhook(standardAlphabet(secret));
  } catch {
    throw new TypeError("secret: must be base64, with or without `whsec_` in front");
  }
}

/** Rung takes base64 in the URL's alphabet too, and without padding. */
function standardAlphabet(secret: string): string {
  const key = secret.replace(/^whsec_/, "").replaceAll("-", "+").replaceAll("_", "/");
  return key.padEnd(Math.ceil(key.length / 4) * 4, "=");
}

/** The text of the secret is the key, `whsec_` included. */
function hmac(secret: string, signed: string, encoding: "hex" | "base64" = "hex"): string {
  return createHmac("sha256", secret).update(signed).digest(encoding);
}

function equal(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A header's value; empty if it is missing or there are several. */
function header(headers: Received["headers"], name: string): string {
  if (typeof headers.get === "function") return headers.get(name) ?? "";
  const values = Object.entries(headers).flatMap(([key, value]) => (key.toLowerCase() === name ? (value ?? []) : []));
  return values.length === 1 && typeof values[0] === "string" ? values[0] : "";
}
