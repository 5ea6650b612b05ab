// Routes addresses to views, and keeps the view up to date.
//
// An address is `#/webhooks/ID?status=failed`, for the operator `#/t/TENANT/webhooks/ID…`: so reloading, going back and sharing
// an address work, and no key is ever in it. A view is a function that returns `{ title, element, refresh }` once it has
// loaded; the previous view stays on the page until then.

import { ApiError, can, request, session, signIn, signOut } from "./api.js";
import { attempt } from "./attempt.js";
import { audit } from "./audit.js";
import { catalogue, eventType } from "./catalogue.js";
import { button, h, keepingFocus, tick } from "./dom.js";
import { signInForm } from "./entry.js";
import { event, events, publish } from "./events.js";
import { webhookForm } from "./form.js";
import { keys } from "./keys.js";
import { tenants } from "./tenants.js";
import { webhook } from "./webhook.js";
import { webhooks } from "./webhooks.js";

const VIEWS = [
  ["webhooks", webhooks],
  ["webhooks/:webhook", webhook],
  ["webhooks/:webhook/edit", webhookForm],
  ["webhooks/:webhook/attempts/:log", attempt],
  ["events", events],
  ["events/:event", event],
  ["publish", publish],
  ["add", webhookForm],
  ["types", catalogue],
  ["types/:type", eventType],
  ["keys", keys],
  ["audit", audit],
];
/** The pages, and what each takes. */
const PAGES = [["webhooks", "Webhooks", "read"], ["events", "Events", "read"], ["types", "Event types", "read"], ["publish", "Publish", "publish"], ["keys", "API keys", "admin"], ["audit", "Audit log", "audit"]];

const REFRESH_MS = 4_000;
/** While nobody answers. */
const REFRESH_SLOWLY_MS = 15_000;
const MESSAGE_MS = 8_000;

const $ = (id) => document.getElementById(id);

// ---- Messages

const listed = (details) => h("ul", null, details.map(({ field, problem }) => h("li", null, h("code", null, field), ` ${problem}`)));

/** Shows a message; errors stay until they are dismissed. */
function say(text, { kind = "good", details = [], link } = {}) {
  const message = h("div", { class: `message ${kind}` },
    h("div", null,
      h("p", null, text, link && [" ", h("a", { href: link[0] }, link[1])]),
      details.length > 0 && listed(details)),
    h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", click: () => message.remove() }, "×"));
  if (kind === "good") setTimeout(() => message.remove(), MESSAGE_MS);
  $("messages").append(message);
  while ($("messages").children.length > 3) $("messages").firstChild.remove();
}

/** Shows an error. The message is about the first field, so a single detail is not repeated. */
function fail(error) {
  if (error.name === "AbortError") return;
  if (error.status === 401) return end(error.message);
  if (!(error instanceof ApiError)) console.error(error);
  say(error.message, { kind: "bad", details: error.details?.length > 1 ? error.details : [] });
}

/** Asks for confirmation before something that cannot be undone. */
function confirmed(title, text, label) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "dialog-title", close: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    } },
      h("h2", { id: "dialog-title" }, title), h("p", null, text),
      h("div", { class: "actions end" },
        h("button", { type: "button", click: () => dialog.close() }, "Keep it"),
        h("button", { type: "button", class: "danger", click: () => dialog.close("yes") }, label)));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// ---- Addresses

function address() {
  const [path, query] = location.hash.slice(1).split("?");
  let names;
  try {
    names = path.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    names = ["?"];
  }
  const tenant = names[0] === "t" ? names[1] : undefined;
  return { tenant, names: tenant ? names.slice(2) : names, query: Object.fromEntries(new URLSearchParams(query)) };
}

function linkIn(tenant) {
  return (path, query) => {
    const asked = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value)).toString();
    const names = [...(tenant ? ["t", tenant] : []), ...path].map(encodeURIComponent);
    return `#/${names.join("/")}${asked && `?${asked}`}`;
  };
}

function viewOf(names) {
  for (const [shape, view] of VIEWS) {
    const parts = shape.split("/");
    if (parts.length !== names.length) continue;
    const params = {};
    const fits = parts.every((part, index) => {
      if (part.startsWith(":")) params[part.slice(1)] = names[index];
      return part.startsWith(":") || part === names[index];
    });
    if (fits) return { view, params };
  }
  return { view: nothing, params: {} };
}

const nothing = async () => ({ title: "Not found", element: h("div", null, h("h1", null, "Page not found"), h("p", null, h("a", { href: "#/" }, "Go to the start page"))) });

// ---- What is shown

let shown = { refresh: undefined, stop: new AbortController(), timer: undefined };

function show({ title, element, refresh }, stop, moved) {
  shown.stop.abort();
  clearTimeout(shown.timer);
  shown = { refresh, stop };
  document.title = title ? `${title} · Rung` : "Rung";
  keepingFocus(() => $("main").replaceChildren(element));
  // Whoever moves on with a keyboard or a screen reader begins at the top of what is new.
  if (moved) {
    scrollTo(0, 0);
    $("main").focus({ preventScroll: true });
  }
  shown.timer = setTimeout(onTime, REFRESH_MS);
}

let opening = new AbortController();
let lastPath;

async function open() {
  opening.abort();
  opening = new AbortController();
  const stop = opening;
  const who = session();
  $("top").hidden = !who;
  $("back").hidden = !who?.back;
  $("back").setAttribute("href", who?.back ?? "#/");
  if (!who) {
    $("progress").hidden = true;
    show({ title: "Sign in", element: signInForm(open) }, stop);
    return $("key").focus();
  }
  const { tenant, names, query } = address();
  // A tenant's own key says by itself whose it is.
  if (!who.operator && tenant) return location.replace(linkIn()(names, query));
  if (names.length === 0 && (tenant || !who.operator)) return location.replace(linkIn(tenant)(who.webhook ? ["webhooks", who.webhook] : ["webhooks"]));
  const listsTenants = who.operator && !tenant;
  if (listsTenants && names.length > 0) return location.replace("#/");
  const { view, params } = listsTenants ? { view: tenants, params: {} } : viewOf(names);
  const link = linkIn(tenant);
  const pageLink = ([name, label]) => h("a", { href: link([name]), "aria-current": names[0] === name && "page" }, label);
  const tenantLink = tenant ? [h("a", { class: "tenant", href: "#/", title: "Choose a different tenant" }, tenant)] : [];
  $("nav").replaceChildren(...tenantLink, ...(listsTenants ? [] : PAGES.filter(([, , what]) => can(what)).map(pageLink)));
  const ask = (call, params, options) => request(who.key, call, {
    // What is only read is given up with the view; what changes something is not.
    tenant, params, signal: call.startsWith("GET ") ? stop.signal : undefined, ...options,
  });
  const path = JSON.stringify([tenant, names]);
  const moved = lastPath !== undefined && path !== lastPath;
  const context = {
    tenant, params, query, link, say, fail, confirmed, can,
    /** Makes a call; its data. */
    call: async (...call) => (await ask(...call)).data,
    /** Makes a call; its data with the text it was read from. */
    ask,
    /** Goes to the same page with another query. */
    narrow: (query) => location.replace(link(names, query)),
    go: (...to) => { location.hash = link(...to); },
    /** Does something that a person asked for, then shows what came of it. */
    act: async (action) => {
      try {
        await action();
      } catch (error) {
        fail(error);
      }
      if (!stop.signal.aborted) await refreshed();
    },
  };
  $("progress").hidden = false;
  try {
    const loaded = await view(context);
    if (stop.signal.aborted) return;
    show(loaded, stop, moved);
  } catch (error) {
    if (stop.signal.aborted) return;
    if (error.status === 401) return end(error.message);
    if (!(error instanceof ApiError)) console.error(error);
    const again = button("Try again", open);
    const details = error.details?.length > 1 && listed(error.details);
    const told = h("div", { class: "empty", role: "alert" }, h("p", null, h("strong", null, error.message)), details, h("p", null, again));
    show({ title: "Error", element: told }, stop, moved);
  }
  lastPath = path;
  $("progress").hidden = true;
}

/** Opens what is asked for. An address with the token of a portal link is replaced before anything else happens. */
async function enter() {
  const [, token] = /^#t=(.+)$/.exec(location.hash) ?? [];
  if (!token) return open();
  history.replaceState(null, "", "#/");
  signOut();
  try {
    await signIn(token);
  } catch (error) {
    return end(error.message);
  }
  return open();
}

/** Ends the session, and says why. */
function end(reason) {
  signOut();
  open();
  if (reason) say(reason, { kind: "bad" });
}

// ---- Staying up to date

const live = $("live");

/** Asks anew for what is shown, and again in a while. */
async function refreshed() {
  const { refresh, stop } = shown;
  clearTimeout(shown.timer);
  let pause = REFRESH_MS;
  try {
    await refresh?.();
    $("away")?.remove();
  } catch (error) {
    if (stop.signal.aborted) return;
    if (error.status === 401) return end(error.message);
    pause = REFRESH_SLOWLY_MS;
    if (!(error instanceof ApiError)) console.error(error);
    if (!$("away")) $("messages").append(h("div", { class: "message bad", id: "away" }, h("p", null)));
    $("away").firstChild.textContent = `Not up to date: ${error.message}`;
  }
  tick();
  if (shown.stop === stop) {
    clearTimeout(shown.timer);
    shown.timer = setTimeout(onTime, pause);
  }
}

/** The next refresh, unless nobody looks or wants it. */
function onTime() {
  if (live.checked && document.visibilityState === "visible") refreshed();
}

live.checked = sessionStorage.getItem("rung.live") !== "off";
live.addEventListener("change", () => {
  sessionStorage.setItem("rung.live", live.checked ? "on" : "off");
  onTime();
});
document.addEventListener("visibilitychange", onTime);
$("sign-out").addEventListener("click", () => {
  lastPath = undefined;
  history.replaceState(null, "", "#/");
  end();
});
// The address after the `#` is the page's own, so the browser cannot follow this one.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
addEventListener("hashchange", enter);
enter();
