// What the vendors' own libraries from npm say to each request. Without requests on standard input and with `--list`: which library
// receives for which vendor, in which version.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { judge } from "./judge.mjs";

const require = createRequire(import.meta.url);

const libraries = {
  clerk: ["@clerk/backend", async (r) => {
    const { verifyWebhook } = await import("@clerk/backend/webhooks");
    const request = new Request(r.url, { method: "POST", headers: r.headers, body: r.body });
    return (await verifyWebhook(request, { signingSecret: r.secret })).type.length > 0;
  }],
  // The library reads events and leaves the token to its user.
  "cloudevents-binary": ["cloudevents", event],
  "cloudevents-structured": ["cloudevents", event],
  discord: ["discord-interactions", async (r, h) => {
    const { verifyKey } = require("discord-interactions");
    const key = Buffer.from(r.public.replace("whpk_", ""), "base64").toString("hex");
    return verifyKey(r.body, h["x-signature-ed25519"], h["x-signature-timestamp"], key);
  }],
  github: ["@octokit/webhooks-methods", async (r, h) => {
    const { verify } = await import("@octokit/webhooks-methods");
    return verify(r.secret, r.body, h["x-hub-signature-256"]);
  }],
  line: ["@line/bot-sdk", async (r, h) => {
    const { validateSignature } = await import("@line/bot-sdk");
    return validateSignature(r.body, r.secret, h["x-line-signature"]);
  }],
  linear: ["@linear/sdk", async (r, h) => {
    const { LinearWebhookClient } = await import("@linear/sdk/webhooks");
    return new LinearWebhookClient(r.secret).verify(Buffer.from(r.body), h["linear-signature"]);
  }],
  mux: ["@mux/mux-node", async (r) => {
    const { default: Mux } = await import("@mux/mux-node");
    const mux = new Mux({ tokenId: "id", tokenSecret: "secret", webhookSecret: r.secret });
    return (await mux.webhooks.unwrap(r.body, r.headers)).type.length > 0;
  }],
  paddle: ["@paddle/paddle-node-sdk", async (r, h) => {
    const { Paddle } = await import("@paddle/paddle-node-sdk");
    return new Paddle("key").webhooks.isSignatureValid(r.body, r.secret, h["paddle-signature"]);
  }],
  pusher: ["pusher", async (r) => {
    const Pusher = require("pusher");
    const pusher = new Pusher({ appId: "1", key: r.tenant, secret: r.secret, cluster: "eu" });
    return pusher.webhook({ headers: r.headers, rawBody: r.body }).isValid();
  }],
  razorpay: ["razorpay", async (r, h) => {
    const Razorpay = require("razorpay");
    return Razorpay.validateWebhookSignature(r.body, h["x-razorpay-signature"], r.secret);
  }],
  shopify: ["@shopify/shopify-api", async (r) => {
    await import("@shopify/shopify-api/adapters/node");
    const { shopifyApi } = await import("@shopify/shopify-api");
    const shopify = shopifyApi({
      apiKey: "key",
      apiSecretKey: r.secret,
      apiVersion: "2025-07",
      hostName: "receiver.example.com",
      isEmbeddedApp: false,
      logger: { log: () => {} },
    });
    const { valid } = await shopify.webhooks.validate({
      rawBody: r.body,
      // A webhook of the tenant has the shop's name among its headers.
      rawRequest: { method: "POST", url: "/", headers: { ...r.headers, "x-shopify-shop-domain": "orrery.myshopify.com" } },
      rawResponse: {},
    });
    return valid;
  }],
  standard: ["standardwebhooks", async (r) => {
    const { Webhook } = require("standardwebhooks");
    return !!new Webhook(r.secret).verify(r.body, r.headers);
  }],
  svix: ["svix", async (r) => {
    const { Webhook } = require("svix");
    return !!new Webhook(r.secret).verify(r.body, r.headers);
  }],
  twilio: ["twilio", async (r, h) => {
    const { validateRequest } = require("twilio");
    return validateRequest(r.secret, h["x-twilio-signature"], r.url, Object.fromEntries(new URLSearchParams(r.body)));
  }],
  webflow: ["webflow-api", async (r) => {
    const { WebflowClient } = require("webflow-api");
    const client = new WebflowClient({ accessToken: "token" });
    return client.webhooks.verifySignature({ headers: r.headers, body: r.body, secret: r.secret });
  }],
  workos: ["@workos-inc/node", async (r, h) => {
    const { WorkOS } = await import("@workos-inc/node");
    const payload = JSON.parse(r.body);
    await new WorkOS("key").webhooks.verifyHeader({ payload, sigHeader: h["workos-signature"], secret: r.secret });
    return true;
  }],
};

async function event(r, h) {
  const { HTTP } = require("cloudevents");
  const event = HTTP.toEvent({ headers: h, body: r.body });
  return event.validate() && event.data !== undefined && h.authorization === `Bearer ${r.secret}`;
}

if (process.argv[2] === "--list") {
  const list = Object.entries(libraries).map(([vendor, [name]]) => {
    const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"));
    return [vendor, `\`${name}\` ${version}, npm`];
  });
  process.stdout.write(JSON.stringify(Object.fromEntries(list)));
} else {
  await judge(Object.fromEntries(Object.entries(libraries).map(([vendor, [, receiver]]) => [vendor, receiver])));
}
