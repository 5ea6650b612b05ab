// Routes addresses to views, and keeps the view up to date.
//
// An address is `#/webhooks/ID?status=failed`, for the operator `#/t/TENANT/webhooks/ID…`: so reloading, going back and sharing
// an address work, and no key is ever in it. A view is a function that returns `{ title, element, refresh }` once it has
// loaded. Each comes with a script of its own that is loaded when it is first opened.

import { ApiError, can, kept, request, session, signIn, signOut } from "./api.js";
import { button, h, keepingFocus, setZone, skeleton, tick, zones } from "./dom.js";
import { signInForm } from "./entry.js";
import { isFramed, renewalIn, tokenFrom } from "./frame.js";
import { sentence, speak, t } from "./lang.js";

/** The views of a tenant: the shape of the address, the script, and the name of the view in it. */
const VIEWS = [
  ["webhooks", () => import("./webhooks.js"), "webhooks"],
  ["webhooks/:webhook", () => import("./webhook.js"), "webhook"],
  ["webhooks/:webhook/edit", () => import("./form.js"), "webhookForm"],
  ["webhooks/:webhook/attempts/:log", () => import("./attempt.js"), "attempt"],
  ["events", () => import("./events.js"), "events"],
  ["events/:event", () => import("./events.js"), "event"],
  ["publish", () => import("./publish.js"), "publish"],
  ["add", () => import("./form.js"), "webhookForm"],
  ["types", () => import("./catalogue.js"), "catalogue"],
  ["types/:type", () => import("./catalogue.js"), "eventType"],
  ["types/:type/edit", () => import("./typeform.js"), "typeForm"],
  ["new-type", () => import("./typeform.js"), "typeForm"],
  ["jobs", () => import("./jobs.js"), "jobs"],
  ["stats", () => import("./stats.js"), "stats"],
  ["keys", () => import("./keys.js"), "keys"],
  ["links", () => import("./links.js"), "links"],
  ["audit", () => import("./audit.js"), "audit"],
  ["settings", () => import("./tenant.js"), "tenant"],
];
/** The operator's own, which span all tenants. */
const OPERATOR_VIEWS = [
  ["", () => import("./tenants.js"), "tenants"],
  ["types", () => import("./catalogue.js"), "catalogue"],
  ["types/:type", () => import("./catalogue.js"), "eventType"],
  ["types/:type/edit", () => import("./typeform.js"), "typeForm"],
  ["new-type", () => import("./typeform.js"), "typeForm"],
  ["dead-letters", () => import("./deadletters.js"), "deadLetters"],
  ["jobs", () => import("./jobs.js"), "jobs"],
  ["stats", () => import("./stats.js"), "stats"],
  ["keys", () => import("./keys.js"), "keys"],
  ["audit", () => import("./audit.js"), "audit"],
  ["deployment", () => import("./deployment.js"), "deployment"],
];
/** The pages of a tenant, and what each takes. */
const pagesOfTenant = () => [
  ["webhooks", t`Webhooks`, "read"], ["events", t`Events`, "read"], ["types", t`Event types`, "read"], ["jobs", t`Jobs`, "read"], ["stats", t`Statistics`, "total"],
  ["publish", "Publish", "publish"], ["keys", "API keys", "admin"], ["links", "Portal links", "admin"], ["audit", t`Audit log`, "audit"], ["settings", "Settings", "admin"],
];
const pagesOfOperator = () => [
  ["", "Tenants", "read"], ["types", "Event types", "read"], ["dead-letters", "Dead letters", "read"], ["jobs", "Jobs", "read"], ["stats", "Statistics", "read"],
  ["keys", "API keys", "admin"], ["audit", "Audit log", "audit"], ["deployment", "Deployment", "read"],
];

const REFRESH_MS = 4_000;
/** While nobody answers. */
const REFRESH_SLOWLY_MS = 15_000;
const MESSAGE_MS = 8_000;
/** Whoever has not scrolled for so long is where they want to come back to. */
const REST_MS = 150;
/** A view that takes longer leaves the earlier one. */
const PATIENCE_MS = 250;

const $ = (id) => document.getElementById(id);

// ---- Messages

const listed = (details) => h("ul", null, details.map(({ field, problem }) => h("li", null, h("code", null, field), ` ${problem}`)));

/** Shows a message; errors stay until they are dismissed or the page is left. */
function say(text, { kind = "good", details = [], link } = {}) {
  const message = h("div", { class: `message ${kind}` },
    h("div", null,
      h("p", null, text, link && [" ", h("a", { href: link[0] }, link[1])]),
      details.length > 0 && listed(details)),
    h("button", { type: "button", class: "quiet", "aria-label": t`Dismiss`, click: () => message.remove() }, "×"));
  if (kind === "good") setTimeout(() => message.remove(), MESSAGE_MS);
  $("messages").append(message);
  while ($("messages").children.length > 3) $("messages").firstChild.remove();
}

/** Shows an error. The message is about the first field, so a single detail is not repeated. */
function fail(error) {
  if (error.name === "AbortError") return undefined;
  if (error.status === 401) return end(error);
  if (!(error instanceof ApiError)) console.error(error);
  return say(sentence(error), { kind: "bad", details: error.details?.length > 1 ? error.details : [] });
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
        h("button", { type: "button", click: () => dialog.close() }, t`Keep it`),
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
    const names = [...(tenant ? ["t", tenant] : []), ...path].filter(Boolean).map(encodeURIComponent);
    return `#/${names.join("/")}${asked && `?${asked}`}`;
  };
}

function viewOf(views, names) {
  for (const [shape, load, name] of views) {
    const parts = shape.split("/").filter(Boolean);
    if (parts.length !== names.length) continue;
    const params = {};
    const fits = parts.every((part, index) => {
      if (part.startsWith(":")) params[part.slice(1)] = names[index];
      return part.startsWith(":") || part === names[index];
    });
    if (fits) return { view: async (context) => (await load())[name](context), params };
  }
  return { view: nothing, params: {} };
}

const nothing = async () => ({ title: t`Not found`, element: h("div", null, h("h1", null, t`Page not found`), h("p", null, h("a", { href: "#/" }, t`Go to the start page`))) });

// ---- What is shown

/** How the operator wants the page to look. */
let brand = { frame_ancestors: [] };
let shown = { refresh: undefined, stop: new AbortController(), timer: undefined };

function show({ title, element, refresh }, stop, moved) {
  shown.stop.abort();
  clearTimeout(shown.timer);
  shown = { refresh, stop };
  const name = brand.name ?? "Rung";
  document.title = title ? `${title} · ${name}` : name;
  keepingFocus(() => $("main").replaceChildren(element));
  $("main").dataset.address = location.hash;
  // Whoever moves on with a keyboard or a screen reader begins at the top of what is new, without the errors of before; whoever
  // goes back, where they were.
  if (moved || lastPath === undefined) scrollTo(0, history.state?.top ?? 0);
  if (moved) {
    $("main").focus({ preventScroll: true });
    for (const old of document.querySelectorAll(".message:not(.good)")) old.remove();
  }
  shown.timer = setTimeout(onTime, REFRESH_MS);
}

// The browser's own way would scroll before the view has loaded.
history.scrollRestoration = "manual";
let resting;
addEventListener("scroll", () => {
  clearTimeout(resting);
  resting = setTimeout(() => {
    if ($("main").dataset.address === location.hash) history.replaceState({ ...history.state, top: Math.round(scrollY) }, "");
  }, REST_MS);
}, { passive: true });

/** The pages that are offered, and where they are. */
function drawNav(who, tenant, names) {
  const link = linkIn(tenant);
  const all = who.operator && !tenant ? pagesOfOperator() : pagesOfTenant();
  const offered = all.filter(([name, , what]) => can(what) && (!who.link || !brand.pages || brand.pages.includes(name)));
  const pageLink = ([name, label]) => h("a", { href: link([name]), "aria-current": (names[0] ?? "") === name && "page" }, label);
  const tenantLink = tenant ? [h("a", { class: "tenant", href: "#/", title: "Choose a different tenant" }, tenant)] : [];
  $("nav").replaceChildren(...tenantLink, ...offered.map(pageLink));
  return offered;
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
    show({ title: t`Sign in`, element: signInForm(open) }, stop);
    return $("key").focus();
  }
  const { tenant, names, query } = address();
  // A tenant's own key says by itself whose it is.
  if (!who.operator && tenant) return location.replace(linkIn()(names, query));
  const pages = drawNav(who, tenant, names);
  if (names.length === 0 && (tenant || !who.operator)) {
    const [[first] = ["webhooks"]] = pages;
    return location.replace(linkIn(tenant)(who.webhook ? ["webhooks", who.webhook] : [first]));
  }
  const { view, params } = viewOf(who.operator && !tenant ? OPERATOR_VIEWS : VIEWS, names);
  const link = linkIn(tenant);
  const asked = (call, params, options) => request(session()?.key, call, {
    // What is only read is given up with the view; what changes something is not.
    tenant, params, signal: call.startsWith("GET ") ? stop.signal : undefined, ...options,
  });
  const ask = async (...call) => {
    try {
      return await asked(...call);
    } catch (error) {
      // In a frame another link follows one that has ended, and what a person has typed stays.
      if (error.status !== 401 || !session()?.link || !isFramed() || !(await renewed())) throw error;
      return asked(...call);
    }
  };
  const path = JSON.stringify([tenant, names]);
  const moved = lastPath !== undefined && path !== lastPath;
  const context = {
    tenant, params, query, link, say, fail, confirmed, can,
    /** Whether what is shown is of all tenants. */
    spans: who.operator && !tenant,
    /** Makes a call; its data. */
    call: async (...call) => (await ask(...call)).data,
    /** Makes a call; its data with the text it was read from. */
    ask,
    /** Goes to the same page with another query, from which "Back" leads back. */
    narrow: (query) => { location.hash = link(names, query); },
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
  const slow = setTimeout(() => { if (moved || !$("main").firstChild) $("main").replaceChildren(skeleton()); }, PATIENCE_MS);
  try {
    const loaded = await view(context);
    if (stop.signal.aborted) return undefined;
    show(loaded, stop, moved);
  } catch (error) {
    if (stop.signal.aborted) return undefined;
    if (error.status === 401) return end(error);
    if (!(error instanceof ApiError)) console.error(error);
    const again = button(t`Try again`, open);
    const details = error.details?.length > 1 && listed(error.details);
    const told = h("div", { class: "empty", role: "alert" }, h("p", null, h("strong", null, sentence(error))), details, h("p", null, again));
    show({ title: t`Error`, element: told }, stop, moved);
  } finally {
    clearTimeout(slow);
  }
  lastPath = path;
  $("progress").hidden = true;
  return undefined;
}

// ---- Coming and going

/** Opens what is asked for. An address with the token of a portal link is replaced before anything else happens. */
async function enter() {
  const [, token] = /^#t=(.+)$/.exec(location.hash) ?? [];
  if (token) {
    history.replaceState(null, "", "#/");
    signOut();
    try {
      await signIn(token);
    } catch (error) {
      return end(error);
    }
    renewInTime();
  } else if (!session() && isFramed()) {
    await renew();
  }
  return open();
}

let renewal;

/** In a frame, the next token comes before this one ends. */
function renewInTime() {
  clearTimeout(renewal);
  const { ends } = session() ?? {};
  if (ends && isFramed()) renewal = setTimeout(renew, renewalIn(ends));
}

/** Takes a new token from the page around this one. One of another tenant begins anew. Answers whether there was one. */
async function renew() {
  const token = await tokenFrom(brand.frame_ancestors);
  if (!token) return false;
  const before = session();
  await signIn(token);
  renewInTime();
  const { tenant, webhook } = session();
  if (before && (before.tenant !== tenant || before.webhook !== webhook)) location.hash = "#/";
  return true;
}

let renewing;

/** Whether there is a new token, however many ask for one. */
function renewed() {
  renewing ??= renew().catch(() => false).finally(() => { renewing = undefined; });
  return renewing;
}

/** Ends the session, and says why. */
async function end(error) {
  signOut();
  await open();
  return error && say(sentence(error), { kind: "bad" });
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
    if (error.status === 401) {
      end(error);
      return;
    }
    pause = REFRESH_SLOWLY_MS;
    if (!(error instanceof ApiError)) console.error(error);
    if (!$("away")) $("messages").append(h("div", { class: "message bad", id: "away" }, h("p", null)));
    $("away").firstChild.textContent = t`Not up to date: ${sentence(error)}`;
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

// ---- The beginning

/** A text on the accent that can be read: white or black, whichever stands out more. */
function textOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000" : "#fff";
}

/** Makes the page look as the operator wants it. */
async function dress() {
  try {
    ({ data: { portal: brand } } = await request(undefined, "GET /v1"));
  } catch {
    // The page says that nobody answers as soon as it asks for something.
  }
  await speak(brand.language, brand.sentences);
  if (brand.theme === "light" || brand.theme === "dark") document.documentElement.dataset.theme = brand.theme;
  $("brand-name").textContent = brand.name ?? "Rung";
  if (brand.logo) $("logo").setAttribute("src", brand.logo);
  if (brand.accent) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`:root { --accent: ${brand.accent}; --on-accent: ${textOn(brand.accent)}; --focus: ${brand.accent}; }`);
    document.adoptedStyleSheets = [sheet];
  }
  const labels = { skip: t`Skip to content`, "live-label": t`Live`, back: t`Back`, "sign-out": t`Sign out` };
  for (const [id, label] of Object.entries(labels)) $(id).textContent = label;
  $("nav").setAttribute("aria-label", t`Pages`);
  $("zone").setAttribute("aria-label", t`Time zone`);
  $("zone").replaceChildren(...zones());
}

live.checked = kept.getItem("rung.live") !== "off";
live.addEventListener("change", () => {
  kept.setItem("rung.live", live.checked ? "on" : "off");
  onTime();
});
$("zone").addEventListener("change", ({ target }) => {
  setZone(target.value);
  open();
});
document.addEventListener("visibilitychange", onTime);
$("sign-out").addEventListener("click", () => {
  lastPath = undefined;
  history.replaceState(null, "", "#/");
  end();
});
// The address after the `#` is the page's own, so the browser cannot follow this one.
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
addEventListener("hashchange", enter);
await dress();
renewInTime();
enter();
