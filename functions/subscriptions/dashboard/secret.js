// A webhook's signing secret: shown once after it was made, read again by the operator, rotated.

import { button, choice, copyButton, field, h, region, time } from "./dom.js";

/** The secret that was made last. It is in this page's memory alone, and gone when the page is left. */
let made;

/** Keeps the secret of an answer until its webhook is shown. */
export function keepSecret({ id, secret }) {
  made = secret && { id, secret };
}

/** The panel of the webhook: its new secret while that is known, and what can be done with it. */
export function secretPanel({ call, act, say, can }, of) {
  const overlap = choice([["86400", "for 24 hours"], ["604800", "for 7 days"], ["3600", "for 1 hour"], ["0", "not at all"]], "86400", { id: "overlap" });
  const rotate = () => act(async () => {
    const { webhook } = await call("POST /v1/webhooks/{webhook}/rotate-secret", of, { body: { overlap_seconds: Number(overlap.value) } });
    keepSecret(webhook);
    say("Secret rotated. Enter the new one at the receiver.");
  });
  const finish = () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/rotate-secret/finish", of);
    say("Rotation finished. Only the new secret signs.");
  });
  const read = () => act(async () => {
    const { secret } = await call("GET /v1/webhooks/{webhook}/secret", of);
    keepSecret({ id: of.webhook, secret });
  });
  const shown = region(null, ({ secret }) => secret && h("div", { class: "secret" },
    h("p", null, h("strong", null, "Copy the secret now. "), "It is not shown again once you leave this page."),
    h("div", { class: "actions" }, h("code", { id: "signing-secret" }, secret), copyButton(secret, "Copy the secret"))));
  const actions = region({ class: "actions" }, ({ until, rotatable, readable }) => [
    readable && button("Show the secret", read, { id: "show-secret" }),
    rotatable && [field("The old secret stays valid", overlap), button("Rotate the secret", rotate, { id: "rotate" })],
    until && h("p", { class: "sub" }, "The old secret is valid until ", time(until), "."),
    until && rotatable && button("Finish the rotation", finish, { id: "finish" }),
  ]);
  const element = h("section", { class: "card", id: "secret-panel" }, h("h2", null, "Signing secret"), shown.element, actions.element);
  return {
    element,
    show({ id, old_secret_expires_at: until }) {
      const secret = made?.id === id ? made.secret : undefined;
      const [rotatable, readable] = [can("rotate"), can("secret")];
      shown.show({ secret });
      actions.show({ until, rotatable, readable });
      element.hidden = !secret && !rotatable && !readable;
    },
  };
}
