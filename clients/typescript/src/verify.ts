import { createHmac, timingSafeEqual } from "node:crypto";
import { Webhook } from "standardwebhooks";

/** The dialects of Rung whose deliveries can be verified here. */
export type Dialect = "standard" | "reward" | "badger" | "patra" | "bharatcart" | "odin";

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

/** How the signature of a body stands in its header, per dialect. */
const PLAIN = {
  badger: { header: "x-badger-signature", prefix: "" },
  patra: { header: "x-patra-signature", prefix: "sha256=" },
  bharatcart: { header: "x-webhook-signature", prefix: "" },
} as const;

/** Returns the body, parsed, of a genuine delivery; throws {@link VerificationError} otherwise. */
export function verify({ dialect, secret, headers, body }: VerifyOptions): unknown {
  const text = Buffer.from(body as Uint8Array).toString();
  const secrets = typeof secret === "string" ? [secret] : (secret ?? []);
  if (secrets.length === 0 || secrets.includes("")) throw new TypeError("secret: must not be empty");
  if (!secrets.some((one) => isSigned(dialect, one, headers, text))) throw new VerificationError("the signature does not match");
  return JSON.parse(text);
}

function isSigned(dialect: Dialect, secret: string, headers: Received["headers"], body: string): boolean {
  switch (dialect) {
    case "standard":
    case "reward":
      return isStandard(secret, headers, body);
    case "odin":
      return isOdin(secret, header(headers, "x-odin-signature"), body);
    default: {
      const plain = PLAIN[dialect];
      if (plain === undefined) throw new TypeError(`dialect: there is no ${dialect}`);
      return equal(header(headers, plain.header), plain.prefix + hmac(secret, body));
    }
  }
}

/** `t=UNIX,v1=HEX` of `UNIX.BODY`. */
function isOdin(secret: string, given: string, body: string): boolean {
  const time = /^t=(\d{1,15}),v1=/.exec(given)?.[1];
  if (time === undefined || Math.abs(Date.now() / 1000 - Number(time)) > TOLERANCE_S) return false;
  return equal(given, `t=${time},v1=${hmac(secret, `${time}.${body}`)}`);
}

function isStandard(secret: string, headers: Received["headers"], body: string): boolean {
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  const webhook = new Webhook(standardAlphabet(secret));
  try {
    webhook.verify(body, Object.fromEntries(names.map((name) => [name, header(headers, name)])), { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

/** Rung takes base64 in the URL's alphabet too, and without padding. */
function standardAlphabet(secret: string): string {
  const key = secret.replace(/^whsec_/, "").replaceAll("-", "+").replaceAll("_", "/");
  return key.padEnd(Math.ceil(key.length / 4) * 4, "=");
}

/** The text of the secret is the key, `whsec_` included. */
function hmac(secret: string, signed: string): string {
  return createHmac("sha256", secret).update(signed).digest("hex");
}

function equal(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A header's value; empty if it is missing or there are several. */
function header(headers: Received["headers"], name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? "";
  const values = Object.entries(headers).flatMap(([key, value]) => (key.toLowerCase() === name ? (value ?? []) : []));
  return values.length === 1 ? (values[0] ?? "") : "";
}
