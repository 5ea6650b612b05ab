// A webhook's signing secret: shown once after it was made, read again by whoever may, rotated; and how it is used.

import { onSignOut, session } from "./api.js";
import { button, choice, copyButton, field, h, region, time } from "./dom.js";
import { t } from "./lang.js";
import { verification } from "./verify.js";

/** The secret that was made last. It is in this page's memory alone, and gone when its webhook's page is left, or the session. */
let made;
const forget = () => { made = undefined; };
onSignOut(forget);
addEventListener("hashchange", () => {
  const [path] = location.hash.split("?");
  if (made && !path.endsWith(`/webhooks/${encodeURIComponent(made.id)}`)) forget();
});

/** Keeps the secret of an answer until its webhook is shown; nobody's once whoever asked for it has signed out. */
export function keepSecret({ id, secret }) {
  made = secret && session() ? { id, secret } : undefined;
}

/** The panel of the webhook: its new secret while that is known, and what can be done with it. */
export function secretPanel({ call, act, say, can, confirmed }, of) {
  const overlap = choice([["86400", t`for 24 hours`], ["604800", t`for 7 days`], ["3600", t`for 1 hour`], ["0", t`not at all`]], "86400", { id: "overlap" });
  /** Unless the page has been left meanwhile. */
  const keepHere = (answer) => element.isConnected && keepSecret(answer);
  const rotate = () => act(async () => {
    const what = t`Deliveries from now on are signed with the new secret alone. Until the receiver has it, it refuses them.`;
    if (overlap.value === "0" && !await confirmed(t`Rotate the secret without a transition?`, what, t`Rotate the secret`)) return;
    const { webhook } = await call("POST /v1/webhooks/{webhook}/rotate-secret", of, { body: { overlap_seconds: Number(overlap.value) } });
    keepHere(webhook);
    say(t`Secret rotated. Enter the new one at the receiver.`);
  });
  const finish = () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/rotate-secret/finish", of);
    say(t`Rotation finished. Only the new secret signs.`);
  });
  const read = () => act(async () => {
    const { secret } = await call("GET /v1/webhooks/{webhook}/secret", of);
    keepHere({ id: of.webhook, secret });
  });
  const [rotatable, readable] = [can("rotate"), can("secret")];
  const shown = region(null, ({ secret }) => secret && h("div", { class: "secret" },
    h("p", null, h("strong", null, t`Copy the secret now.`), " ", readable ? t`It leaves the page with you.` : t`It is not shown again once you leave this page.`),
    h("div", { class: "actions" }, h("code", { id: "signing-secret" }, secret), copyButton(secret, t`Copy the secret`))));
  const actions = region({ class: "actions" }, ({ until }) => [
    readable && button(t`Show the secret`, read, { id: "show-secret" }),
    rotatable && [field(t`The old secret stays valid`, overlap), button(t`Rotate the secret`, rotate, { id: "rotate" })],
    until && h("p", { class: "sub" }, t`The old secret is valid until ${time(until)}.`),
    until && rotatable && button(t`Finish the rotation`, finish, { id: "finish" }),
  ]);
  const guide = region(null, (signatures) => verification({ signatures }));
  const element = h("section", { class: "card", id: "secret-panel" }, h("h2", null, t`Signing secret`), shown.element, actions.element, guide.element);
  return {
    element,
    show({ id, signatures, old_secret_expires_at: until }) {
      shown.show({ secret: made?.id === id ? made.secret : undefined });
      actions.show({ until });
      guide.show(signatures);
    },
  };
}
