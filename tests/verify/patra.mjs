// A Patra receiver on Express: it signs what it gets by parsing the body and writing it out again (document 001).
import { createHmac, timingSafeEqual } from 'node:crypto';
import { judge } from './cases.mjs';

judge(({ headers, raw, secret }) => {
  const payload = JSON.stringify(JSON.parse(raw.toString('utf8')));
  const wanted = Buffer.from(`sha256=${createHmac('sha256', secret).update(payload).digest('hex')}`);
  return timingSafeEqual(Buffer.from(headers['x-patra-signature']), wanted);
});
