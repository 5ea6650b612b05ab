// A receiver of Shopify's webhooks with Shopify's own library, which wants the shop, the topic and the versions as well.
import '@shopify/shopify-api/adapters/node';
import { shopifyApi } from '@shopify/shopify-api';
import { judge } from '../verify/cases.mjs';

await judge(async ({ headers, raw, secret }) => {
  const shopify = shopifyApi({
    apiKey: 'key',
    apiSecretKey: secret,
    apiVersion: '2025-07',
    hostName: 'receiver.example.com',
    isEmbeddedApp: false,
    logger: { log: () => {} },
  });
  const { valid } = await shopify.webhooks.validate({
    rawBody: raw.toString('utf8'),
    rawRequest: { method: 'POST', url: '/', headers },
    rawResponse: {},
  });
  return valid;
});
