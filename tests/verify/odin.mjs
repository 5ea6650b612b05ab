// An Odin receiver on Express: the header taken apart by place, not by name; nothing older than 5 minutes (document 004).
import { createHmac, timingSafeEqual } from 'node:crypto';
import { judge } from './cases.mjs';

const MAX_AGE_S = 300;

judge(({ headers, raw, secret }) => {
  const [first, second] = headers['x-odin-signature'].split(',');
  const t = first.split('=')[1];
  const v1 = second.split('=')[1];
  if (Math.floor(Date.now() / 1000) - parseInt(t) > MAX_AGE_S) return false;
  const wanted = createHmac('sha256', secret).update(`${t}.${raw.toString()}`).digest('hex');
  return timingSafeEqual(Buffer.from(wanted), Buffer.from(v1));
});
