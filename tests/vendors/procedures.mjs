// What a vendor's receiver says to each request, by the procedure of the vendor's documentation: `docs` in each file of `dialects`.
import crypto from "node:crypto";
import { judge } from "./judge.mjs";

const mac = (algorithm, key, text, encoding) => crypto.createHmac(algorithm, key).update(text).digest(encoding);
const hex = (r, text) => mac("sha256", r.secret, text, "hex");
const base64 = (r, text) => mac("sha256", r.secret, text, "base64");
const fresh = (r, seconds) => Math.abs(r.now - seconds) <= 300;
// A URL as PHP, Ruby and Node write its form's fields, sorted by name.
const fields = (r) => [...new URLSearchParams(r.body)].sort(([a], [b]) => (a < b ? -1 : 1)).flat().join("");
const pairs = (text, separator) => Object.fromEntries(text.split(separator).map((part) => part.trim().split(/=(.*)/s)));
const ed25519 = (r, text, signature) => {
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(r.public.replace("whpk_", ""), "base64")]);
  return crypto.verify(null, Buffer.from(text), crypto.createPublicKey({ key: der, format: "der", type: "spki" }), signature);
};
const standard = (key, r, h, prefix) => {
  const expected = mac("sha256", key, `${h[`${prefix}-id`]}.${h[`${prefix}-timestamp`]}.${r.body}`, "base64");
  return fresh(r, +h[`${prefix}-timestamp`]) && h[`${prefix}-signature`].split(" ").includes(`v1,${expected}`);
};
const svix = (r, h) => standard(Buffer.from(r.secret.replace("whsec_", ""), "base64"), r, h, "svix");
const listed = (r, header, scheme = "v1") => header.split(",").includes(`${scheme}=${hex(r, r.body)}`);
const timed = (r, header, separator, time, signature, joint, unit = 1) => {
  const found = pairs(header, separator);
  const all = header.split(separator).map((part) => part.trim());
  return fresh(r, found[time] / unit) && all.includes(`${signature}=${hex(r, found[time] + joint + r.body)}`);
};
const bearer = (r, h) => h.authorization === `Bearer ${r.secret}`;

const procedures = {
  adyen: (r) => {
    const item = JSON.parse(r.body).notificationItems[0].NotificationRequestItem;
    const { pspReference, originalReference = "", merchantAccountCode, merchantReference, amount, eventCode, success } = item;
    const text = [pspReference, originalReference, merchantAccountCode, merchantReference, amount.value, amount.currency, eventCode, success].join(":");
    return item.additionalData.hmacSignature === mac("sha256", Buffer.from(r.secret, "hex"), text, "base64");
  },
  airship: (r, h) => fresh(r, +h["x-ua-timestamp"]) && h["x-ua-signature"] === hex(r, `${h["x-ua-timestamp"]}:${r.body}`),
  asana: (r, h) => h["x-hook-signature"] === hex(r, r.body),
  autodesk: (r, h) => h["x-adsk-signature"] === `sha1hash=${mac("sha1", r.secret, r.body, "hex")}`,
  bitbucket: (r, h) => h["x-hub-signature"] === `sha256=${hex(r, r.body)}`,
  bolt: (r, h) => h["x-bolt-hmac-sha256"] === base64(r, r.body),
  box: (r, h) => {
    const expected = base64(r, r.body + h["box-delivery-timestamp"]);
    return fresh(r, Date.parse(h["box-delivery-timestamp"]) / 1000) && [h["box-signature-primary"], h["box-signature-secondary"]].includes(expected);
  },
  brex: (r, h) => standard(Buffer.from(r.secret.replace("whsec_", ""), "base64"), r, h, "webhook"),
  buildkite: (r, h) => timed(r, h["x-buildkite-signature"], ",", "timestamp", "signature", "."),
  "cal-com": (r, h) => h["x-cal-signature-256"] === hex(r, r.body),
  calendly: (r, h) => timed(r, h["calendly-webhook-signature"], ",", "t", "v1", "."),
  castle: (r, h) => h["x-castle-signature"] === base64(r, r.body),
  chargify: (r, h) => h["content-type"] === "application/x-www-form-urlencoded" && h["x-chargify-webhook-signature-hmac-sha-256"] === hex(r, r.body),
  "checkout-com": (r, h) => h["cko-signature"] === hex(r, r.body),
  circleci: (r, h) => listed(r, h["circleci-signature"]),
  clerk: (r, h) => svix(r, h) && JSON.parse(r.body).object === "event",
  "cloudevents-binary": (r, h) => bearer(r, h) && h["ce-specversion"] === "1.0" && !!h["ce-id"] && !!h["ce-source"] && !!h["ce-type"] && h["content-type"] === "application/json",
  "cloudevents-structured": (r, h) => {
    const event = JSON.parse(r.body);
    return bearer(r, h) && h["content-type"].startsWith("application/cloudevents+json") && event.specversion === "1.0" && !!event.id && !!event.source && !!event.type;
  },
  "coinbase-commerce": (r, h) => h["x-cc-webhook-signature"] === hex(r, r.body),
  configcat: (r, h) => {
    const [id, time] = [h["x-configcat-webhook-id"], h["x-configcat-webhook-timestamp"]];
    return fresh(r, +time) && h["x-configcat-webhook-signature-v1"].split(",").includes(base64(r, id + time + r.body));
  },
  contentful: (r, h) => {
    const names = h["x-contentful-signed-headers"].split(",").sort();
    const signed = names.map((name) => `${name}:${h[name]}`).join(";");
    const { pathname, search } = new URL(r.url);
    const time = +h["x-contentful-timestamp"];
    return fresh(r, time / 1000) && h["x-contentful-signature"] === hex(r, ["POST", pathname + search, signed, r.body].join("\n"));
  },
  convoy: (r, h) => timed(r, h["x-convoy-signature"], ",", "t", "v1", ","),
  "customer-io": (r, h) => fresh(r, +h["x-cio-timestamp"]) && h["x-cio-signature"] === hex(r, `v0:${h["x-cio-timestamp"]}:${r.body}`),
  discord: (r, h) => ed25519(r, h["x-signature-timestamp"] + r.body, Buffer.from(h["x-signature-ed25519"], "hex")),
  docusign: (r, h) => h["x-docusign-signature-1"] === base64(r, r.body),
  dropbox: (r, h) => h["x-dropbox-signature"] === hex(r, r.body),
  fastspring: (r, h) => h["x-fs-signature"] === base64(r, r.body) && JSON.parse(r.body).events.length === 1,
  figma: (r) => JSON.parse(r.body).passcode === r.secret,
  "frame-io": (r, h) => {
    const time = h["x-frameio-request-timestamp"];
    return fresh(r, +time) && h["x-frameio-signature"] === `v0=${hex(r, `v0:${time}:${r.body}`)}`;
  },
  front: (r, h) => h["x-front-signature"] === base64(r, `${h["x-front-request-timestamp"]}:${r.body}`),
  github: (r, h) => h["x-hub-signature-256"] === `sha256=${hex(r, r.body)}` && h["x-hub-signature"] === `sha1=${mac("sha1", r.secret, r.body, "hex")}`,
  gitlab: (r, h) => h["x-gitlab-token"] === r.secret && h["x-gitlab-event"].length > 0,
  gocardless: (r, h) => h["webhook-signature"] === hex(r, r.body),
  heroku: (r, h) => h["heroku-webhook-hmac-sha256"] === base64(r, r.body),
  hookdeck: (r, h) => [h["x-hookdeck-signature"], h["x-hookdeck-signature-2"]].includes(base64(r, r.body)),
  "hubspot-v1": (r, h) => h["x-hubspot-signature"] === crypto.createHash("sha256").update(r.secret + r.body).digest("hex"),
  "hubspot-v2": (r, h) => h["x-hubspot-signature"] === crypto.createHash("sha256").update(r.secret + "POST" + r.url + r.body).digest("hex"),
  "hubspot-v3": (r, h) => {
    const time = h["x-hubspot-request-timestamp"];
    return fresh(r, time / 1000) && h["x-hubspot-signature-v3"] === base64(r, "POST" + r.url + r.body + time);
  },
  intercom: (r, h) => h["x-hub-signature"] === `sha1=${mac("sha1", r.secret, JSON.stringify(JSON.parse(r.body)), "hex")}`,
  launchdarkly: (r, h) => h["x-ld-signature"] === hex(r, r.body),
  line: (r, h) => h["x-line-signature"] === base64(r, r.body),
  linear: (r, h) => fresh(r, JSON.parse(r.body).webhookTimestamp / 1000) && h["linear-signature"] === hex(r, r.body),
  lob: (r, h) => fresh(r, h["lob-signature-timestamp"] / 1000) && h["lob-signature"] === hex(r, `${h["lob-signature-timestamp"]}.${r.body}`),
  mailgun: (r) => {
    const { timestamp, token, signature } = JSON.parse(r.body).signature;
    return fresh(r, +timestamp) && signature === hex(r, timestamp + token);
  },
  makeplans: (r, h) => h["x-makeplans-signature"] === `sha256=${hex(r, r.body)}`,
  mandrill: (r, h) => h["x-mandrill-signature"] === mac("sha1", r.secret, r.url + fields(r), "base64") && Array.isArray(JSON.parse(new URLSearchParams(r.body).get("mandrill_events"))),
  meta: (r, h) => h["x-hub-signature-256"] === `sha256=${hex(r, r.body)}`,
  "microsoft-graph": (r) => JSON.parse(r.body).value.every((change) => change.clientState === r.secret),
  "microsoft-teams": (r, h) => h.authorization === `HMAC ${mac("sha256", Buffer.from(r.secret, "base64"), r.body, "base64")}`,
  "modern-treasury": (r, h) => h["x-signature"] === hex(r, r.body),
  mongodb: (r, h) => h["endpoint-signature"] === `sha256=${hex(r, r.body)}`,
  mux: (r, h) => timed(r, h["mux-signature"], ",", "t", "v1", "."),
  nexus: (r, h) => h["x-nexus-webhook-signature"] === mac("sha1", r.secret, r.body, "hex"),
  paddle: (r, h) => timed(r, h["paddle-signature"], ";", "ts", "h1", ":"),
  pagerduty: (r, h) => listed(r, h["x-pagerduty-signature"]),
  paystack: (r, h) => h["x-paystack-signature"] === mac("sha512", r.secret, JSON.stringify(JSON.parse(r.body)), "hex"),
  pinwheel: (r, h) => fresh(r, +h["x-timestamp"]) && h["x-pinwheel-signature"] === `v2=${hex(r, `v2:${h["x-timestamp"]}:${r.body}`)}`,
  polar: (r, h) => standard(r.secret, r, h, "webhook"),
  postmark: (r, h) => h.authorization === `Basic ${r.secret}`,
  pusher: (r, h) => h["x-pusher-key"] === r.tenant && h["x-pusher-signature"] === hex(r, r.body),
  quickbooks: (r, h) => h["intuit-signature"] === base64(r, r.body),
  razorpay: (r, h) => h["x-razorpay-signature"] === hex(r, r.body),
  sendgrid: (r, h) => {
    const time = h["x-twilio-email-event-webhook-timestamp"];
    const key = crypto.createPublicKey({ key: Buffer.from(r.public, "base64"), format: "der", type: "spki" });
    return fresh(r, +time) && crypto.verify("sha256", Buffer.from(time + r.body), key, Buffer.from(h["x-twilio-email-event-webhook-signature"], "base64"));
  },
  sentry: (r, h) => h["sentry-hook-signature"] === hex(r, r.body),
  shopify: (r, h) => h["x-shopify-hmac-sha256"] === base64(r, r.body),
  "signal-sciences": (r, h) => h["x-sigsci-signature"] === hex(r, r.body),
  slack: (r, h) => {
    const time = h["x-slack-request-timestamp"];
    return fresh(r, +time) && h["x-slack-signature"] === `v0=${hex(r, `v0:${time}:${r.body}`)}`;
  },
  smartsheet: (r, h) => h["smartsheet-hmac-sha256"] === hex(r, r.body),
  square: (r, h) => h["x-square-hmacsha256-signature"] === base64(r, r.url + r.body),
  standard: (r, h) => standard(Buffer.from(r.secret.replace("whsec_", ""), "base64"), r, h, "webhook"),
  stripe: (r, h) => timed(r, h["stripe-signature"], ",", "t", "v1", "."),
  svix,
  telnyx: (r, h) => fresh(r, +h["telnyx-timestamp"]) && ed25519(r, `${h["telnyx-timestamp"]}|${r.body}`, Buffer.from(h["telnyx-signature-ed25519"], "base64")),
  tiktok: (r, h) => timed(r, h["tiktok-signature"], ",", "t", "s", "."),
  trello: (r, h) => h["x-trello-webhook"] === mac("sha1", r.secret, r.body + r.url, "base64"),
  twilio: (r, h) => h["content-type"] === "application/x-www-form-urlencoded" && h["x-twilio-signature"] === mac("sha1", r.secret, r.url + fields(r), "base64"),
  twitch: (r, h) => {
    const [id, time] = [h["twitch-eventsub-message-id"], h["twitch-eventsub-message-timestamp"]];
    return fresh(r, Date.parse(time) / 1000) && h["twitch-eventsub-message-signature"] === `sha256=${hex(r, id + time + r.body)}`;
  },
  twitter: (r, h) => h["x-twitter-webhooks-signature"] === `sha256=${base64(r, r.body)}`,
  typeform: (r, h) => h["typeform-signature"] === `sha256=${base64(r, r.body)}`,
  vercel: (r, h) => h["x-vercel-signature"] === mac("sha1", r.secret, r.body, "hex"),
  webflow: (r, h) => fresh(r, h["x-webflow-timestamp"] / 1000) && h["x-webflow-signature"] === hex(r, `${h["x-webflow-timestamp"]}:${r.body}`),
  woocommerce: (r, h) => h["x-wc-webhook-signature"] === base64(r, r.body) && !!h["x-wc-webhook-topic"],
  workos: (r, h) => timed({ ...r, body: JSON.stringify(JSON.parse(r.body)) }, h["workos-signature"], ",", "t", "v1", ".", 1000),
  xero: (r, h) => h["x-xero-signature"] === base64(r, r.body),
  zendesk: (r, h) => h["x-zendesk-webhook-signature"] === base64(r, h["x-zendesk-webhook-signature-timestamp"] + r.body),
  zoom: (r, h) => fresh(r, +h["x-zm-request-timestamp"]) && h["x-zm-signature"] === `v0=${hex(r, `v0:${h["x-zm-request-timestamp"]}:${r.body}`)}`,
};

await judge(procedures);
