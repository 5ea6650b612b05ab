// A Badger receiver on Express: it hands the parsed body to the check, which can only write it out again (document 000).
import { createHmac, timingSafeEqual } from 'node:crypto';
import { judge } from './cases.mjs';

judge(({ headers, raw, secret }) => {
  const reqBody = JSON.parse(raw.toString('utf8'));
  const rewritten = JSON.stringify(reqBody);
  const ours = createHmac('sha256', secret).update(rewritten).digest();
  return timingSafeEqual(ours, Buffer.from(headers['x-badger-signature'], 'hex'));
});
