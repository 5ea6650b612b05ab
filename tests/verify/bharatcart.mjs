// A BharatCart receiver on Express with the raw body as a string (document 002).
import { createHmac, timingSafeEqual } from 'node:crypto';
import { judge } from './cases.mjs';

judge(({ headers, raw, secret }) => {
  const wanted = createHmac('sha256', secret).update(raw.toString()).digest('hex');
  return timingSafeEqual(Buffer.from(headers['x-webhook-signature']), Buffer.from(wanted));
});
