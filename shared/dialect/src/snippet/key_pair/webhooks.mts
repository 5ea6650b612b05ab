// Whether a delivery that a key pair has signed (v1a of Standard Webhooks) is genuine. `headers` are Node's, with names in lower case;
// `body` is the raw body, a Buffer of the bytes as they came; `publicKey` is the webhook's `public_key`, whpk_….
import { createPublicKey, verify as verifySignature } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

const TOLERANCE_S = 300;
// What stands before the key's 32 bytes in its DER form.
const DER = Buffer.from("302a300506032b6570032100", "hex");

export function verify(headers: IncomingHttpHeaders, body: Buffer, publicKey: string): boolean {
  const id = headers["webhook-id"]?.toString() ?? "";
  const timestamp = headers["webhook-timestamp"]?.toString() ?? "";
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_S)) return false;
  const key = createPublicKey({
    key: Buffer.concat([DER, Buffer.from(publicKey.replace("whpk_", ""), "base64")]),
    format: "der",
    type: "spki",
  });
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return (headers["webhook-signature"]?.toString() ?? "").split(" ").some((given) => {
    const [version, signature = ""] = given.split(",");
    return version === "v1a" && verifySignature(null, signed, key, Buffer.from(signature, "base64"));
  });
}
