// Receives webhooks: verifies each, answers at once, and handles it afterwards, once per event.
//
//   npm install express rung-client
//   WEBHOOK_SECRET=whsec_… DIALECT=standard PORT=9000 node server.mjs
import express from "express";
import { VerificationError, verify } from "rung-client/verify";

const { WEBHOOK_SECRET: secrets = "", DIALECT: dialect = "standard", PORT: port = "9000" } = process.env;
// In production this is a table: the same delivery may come twice.
const seen = new Set();

const app = express();
// The signature is of the raw body.
app.post("/hook", express.raw({ type: () => true, limit: "256kb" }), (request, response) => {
  // A request without a body has none, and no signature either.
  const { headers, body = "" } = request;
  // During a rotation: the new secret and the old one, separated by a comma.
  const event = verify({ dialect, secret: secrets.split(","), headers, body });
  // Every dialect counts 200 as a success, not every one another 2xx.
  response.sendStatus(200);
  const id = headers["webhook-id"];
  if (seen.has(id)) return;
  seen.add(id);
  handle(event);
});
app.use((error, _request, response, next) => {
  if (error instanceof VerificationError) response.sendStatus(401);
  else next(error);
});
const server = app.listen(Number(port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}/hook`));

function handle(event) {
  console.log(JSON.stringify(event));
}
