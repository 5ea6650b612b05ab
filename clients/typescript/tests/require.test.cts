// CommonJS: `require` takes the package's ES modules, types and all.
import assert = require("node:assert/strict");
import { test } from "node:test";
import rung = require("rung-client");
import testing = require("rung-client/testing");
import verification = require("rung-client/verify");

test("the package can be required", async () => {
  const client: rung.Rung = new rung.Rung({ url: "http://rung.test", key: "rk_a" });
  assert.throws(() => client.forTenant(""), TypeError);
  assert.throws(() => verification.verify({ dialect: "badger", secret: "a", headers: {}, body: "{}" }), verification.VerificationError);
  await (await testing.Receiver.start()).close();
});
