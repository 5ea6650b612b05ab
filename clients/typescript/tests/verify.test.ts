// Receivers' verification, against what `rung sign` signs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { Receiver } from "rung-client/testing";
import { type Dialect, VerificationError, verify } from "rung-client/verify";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw";
const OLD_SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==";
const BODY = Buffer.from('{"id":"evt_1","type":"user.lesson.completed","event":"order.paid","data":{"name":"Müller"}}');
const DIALECTS: Dialect[] = ["standard", "reward", "badger", "patra", "bharatcart", "odin", "github", "shopify", "slack", "stripe"];
const TIMED: Dialect[] = ["standard", "reward", "odin", "slack", "stripe"];

/** The headers of a delivery. */
function signed(dialect: Dialect, secret = SECRET, ageS = 0): Record<string, string> {
  const flags = ["--dialect", dialect, "--json", "--timestamp", String(Math.floor(Date.now() / 1000) - ageS), "--type", "order.paid"];
  const output = execFileSync(process.env["RUNG_BINARY"] ?? "rung", ["sign", ...flags], { input: BODY, env: { RUNG_SECRET: secret } });
  return JSON.parse(output.toString()).headers;
}

for (const dialect of DIALECTS) {
  test(`${dialect}: a genuine delivery is parsed`, () => {
    const headers = signed(dialect);
    const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
    for (const given of [headers, upper, new Headers(headers)]) {
      for (const body of [BODY, new Uint8Array(BODY), BODY.toString()]) {
        assert.deepEqual(verify({ dialect, secret: SECRET, headers: given, body }), JSON.parse(BODY.toString()));
      }
    }
  });

  test(`${dialect}: during a rotation either secret will do`, () => {
    for (const secret of [SECRET, OLD_SECRET]) {
      verify({ dialect, secret: [SECRET, OLD_SECRET], headers: signed(dialect, secret), body: BODY });
    }
  });

  test(`${dialect}: what is not genuine is refused`, () => {
    const headers = signed(dialect);
    const all = (change: (value: string) => string | string[]) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, change(value)]));
    const forgeries = [
      [signed(dialect, OLD_SECRET), BODY],
      [headers, Buffer.concat([BODY, Buffer.from(" ")])],
      [{}, BODY],
      [all(() => "v1,x,y"), BODY],
      [all(() => "é"), BODY],
      [all((value) => value.slice(0, -1)), BODY],
      [all((value) => [value, value]), BODY],
    ] as const;
    for (const [forged, body] of forgeries) {
      assert.throws(() => verify({ dialect, secret: SECRET, headers: forged, body }), VerificationError);
    }
  });

  test(`${dialect}: a missing secret is a mistake`, () => {
    for (const secret of ["", ["a", ""], [], null, undefined]) {
      assert.throws(() => verify({ dialect, secret, headers: {}, body: BODY }), { name: "TypeError", message: /^secret: / });
    }
  });
}

for (const dialect of TIMED) {
  test(`${dialect}: a signed time is not far from now`, () => {
    for (const ageS of [310, -310]) {
      assert.throws(() => verify({ dialect, secret: SECRET, headers: signed(dialect, SECRET, ageS), body: BODY }), VerificationError);
      verify({ dialect, secret: SECRET, headers: signed(dialect, SECRET, ageS / 2), body: BODY });
    }
  });
}

test("every signature of a rotation is looked at", () => {
  const header = signed("stripe")["Stripe-Signature"] ?? "";
  const both = { "Stripe-Signature": header.replace(",v1=", `,v1=${"0".repeat(64)},v1=`) };
  verify({ dialect: "stripe", secret: SECRET, headers: both, body: BODY });
  // As many as nobody sends are no signature.
  const many = { "Stripe-Signature": header + `,v1=${"0".repeat(64)}`.repeat(10) };
  assert.throws(() => verify({ dialect: "stripe", secret: SECRET, headers: many, body: BODY }), VerificationError);
});

test("a dialect that is not built in is a mistake", () => {
  const ours = "ours" as Dialect;
  const message = /^dialect: this client does not verify ours; .*--snippet/;
  assert.throws(() => verify({ dialect: ours, secret: SECRET, headers: {}, body: BODY }), { name: "TypeError", message });
});

test("a secret that is no key is a mistake", () => {
  for (const secret of ["not base64!", "whsec_!!!!", "whsec_", "whsec_A", "whsec_ä", "\udcff"]) {
    assert.throws(() => verify({ dialect: "standard", secret, headers: {}, body: BODY }), { name: "TypeError", message: /^secret: / }, secret);
  }
});

test("a receiver whose function throws answers 500 and tells the test", async () => {
  await using receiver = await Receiver.start(() => {
    throw new Error("broken");
  });
  const response = await fetch(receiver.url, { method: "POST", body: "{}" });
  assert.equal(response.status, 500);
  await assert.rejects(receiver.next(), { message: "broken" });
});

test("what a sender cuts is no delivery, and the receiver goes on", async () => {
  await using receiver = await Receiver.start();
  for (const head of ["Content-Length: 10", "Transfer-Encoding: chunked"]) {
    const socket = connect(Number(new URL(receiver.url).port), "127.0.0.1");
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n5\r\n{`);
    await once(socket, "connect");
    await fetch(receiver.url, { method: "POST", body: "whole" });
    assert.equal((await receiver.next()).body.toString(), "whole");
    socket.destroy();
    await once(socket, "close");
  }
  await fetch(receiver.url, { method: "POST", body: "last" });
  assert.equal((await receiver.next()).body.toString(), "last");
});

test("whatever a header has is not genuine and nothing worse", () => {
  const pieces = ["\xff", "\udcff", "\ud800", "\0", "\r\n", "é", "v1,", "v1", ",", " ", "=", "t=", "sha256=", "v0=", "0", "9".repeat(400), "-1", "nan", "1e400", "٣", "AAAA", "a".repeat(64)];
  const hostile = [undefined, null, 7, [7], ["a", "b"], {}] as unknown as string[];
  let seed = 7;
  const below = (count: number) => (seed = (seed * 48_271) % 2_147_483_647) % count;
  for (const dialect of DIALECTS) {
    const genuine = signed(dialect);
    const names = Object.keys(genuine);
    for (let round = 0; round < 2000; round += 1) {
      const name = names[below(names.length)] ?? "";
      const parts = Array.from({ length: below(5) }, () => [...pieces, genuine[name]][below(pieces.length + 1)]);
      const headers = { ...genuine, [name]: below(10) ? parts.join("") : (hostile[below(hostile.length)] ?? "") };
      try {
        verify({ dialect, secret: SECRET, headers, body: BODY });
      } catch (error) {
        assert(error instanceof VerificationError, String(error));
      }
    }
  }
});

test("what is signed and no JSON is no delivery", () => {
  for (const body of ["no JSON", ""]) {
    const headers = { "x-badger-signature": createHmac("sha256", SECRET).update(body).digest("hex") };
    assert.throws(() => verify({ dialect: "badger", secret: SECRET, headers, body }), VerificationError);
  }
});

test("a body that is not raw is a mistake", () => {
  for (const body of [undefined, null, {}, []] as unknown as string[]) {
    assert.throws(() => verify({ dialect: "badger", secret: SECRET, headers: {}, body }), { name: "TypeError", message: /^body: must be the raw body/ });
  }
});

test("every spelling of a standard secret is taken", () => {
  const key = "A".repeat(40);
  for (const secret of [`-_8${key}=`, `whsec_-_8${key}`, `+/8${key}`]) {
    verify({ dialect: "standard", secret, headers: signed("standard", secret), body: BODY });
  }
});
