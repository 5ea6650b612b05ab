// A receiver of odin's webhooks on Express.
import { createHmac, timingSafeEqual } from 'node:crypto';
import express from 'express';

const app = express();
app.post('/hook', express.raw({ type: 'application/json' }), (request, response) => {
  const [, time, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(request.get('X-Odin-Signature') ?? '') ?? [];
  if (!signature || Math.abs(Date.now() / 1000 - Number(time)) > 300) return response.sendStatus(401);
  const mac = createHmac('sha256', process.env.WEBHOOK_SECRET).update(`${time}.`).update(request.body).digest();
  response.sendStatus(timingSafeEqual(mac, Buffer.from(signature, 'hex')) ? 200 : 401);
});
const server = app.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
