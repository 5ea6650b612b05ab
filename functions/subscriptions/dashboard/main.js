// Routes addresses to views, and keeps the view up to date.
//
// An address is `#/webhooks/ID?status=failed`, for the operator `#/t/TENANT/webhooks/ID…`: so reloading, going back and sharing
// an address work, and no key is ever in it. A view is a function that returns `{ title, element, refresh }` once it has
// loaded. Each comes with a script of its own that is loaded when it is first opened.

import { ApiError, arriveWith, arriving, can, kept, lastLink, once, request, session, signIn, signOut, signOutOfLink } from "./api.js";
import { button, giveUpEdits, h, isEdited, keepingFocus, placeIn, setZone, skeleton, tick, zones } from "./dom.js";
import { endedPage, signInForm } from "./entry.js";
import { isFramed, renewalIn, tokenFrom } from "./frame.js";
import { sentence, speak, t } from "./lang.js";

/** The views of a tenant: the shape of the address, the script, the name of the view in it, and what one must be able to do. */
const VIEWS = [
  ["webhooks", () => import("./webhooks.js"), "webhooks", "read"],
  ["webhooks/:webhook", () => import("./webhook.js"), "webhook", "read"],
  ["webhooks/:webhook/edit", () => import("./form.js"), "webhookForm", "manage"],
  ["webhooks/:webhook/attempts/:log", () => import("./attempt.js"), "attempt", "read"],
  ["events", () => import("./events.js"), "events", "read"],
  ["events/:event", () => import("./events.js"), "event", "read"],
  ["publish", () => import("./publish.js"), "publish", "publish"],
  ["add", () => import("./form.js"), "webhookForm", "add"],
  ["types", () => import("./catalogue.js"), "catalogue", "types"],
  ["types/:type", () => import("./catalogue.js"), "eventType", "types"],
  ["types/:type/edit", () => import("./typeform.js"), "typeForm", "define"],
  ["new-type", () => import("./typeform.js"), "typeForm", "define"],
  ["jobs", () => import("./jobs.js"), "jobs", "read"],
  ["stats", () => import("./overall.js"), "stats", "total"],
  ["keys", () => import("./keys.js"), "keys", "admin"],
  ["links", () => import("./links.js"), "links", "admin"],
  ["audit", () => import("./audit.js"), "audit", "audit"],
  ["settings", () => import("./tenant.js"), "tenant", "admin"],
];
/** The operator's own, which span all tenants. */
const OPERATOR_VIEWS = [
  ["", () => import("./tenants.js"), "tenants", "read"],
  ["events", () => import("./find.js"), "findEvent", "read"],
  ["types", () => import("./catalogue.js"), "catalogue", "types"],
  ["types/:type", () => import("./catalogue.js"), "eventType", "types"],
  ["types/:type/edit", () => import("./typeform.js"), "typeForm", "define"],
  ["new-type", () => import("./typeform.js"), "typeForm", "define"],
  ["dead-letters", () => import("./deadletters.js"), "deadLetters", "read"],
  ["jobs", () => import("./jobs.js"), "jobs", "read"],
  ["stats", () => import("./overall.js"), "stats", "read"],
  ["keys", () => import("./keys.js"), "keys", "admin"],
  ["audit", () => import("./audit.js"), "audit", "audit"],
  ["deployment", () => import("./deployment.js"), "deployment", "read"],
];
/** The pages of a tenant, and what each takes. */
const pagesOfTenant = () => [
  ["webhooks", t`Webhooks`, "read"], ["events", t`Events`, "read"], ["types", t`Event types`, "types"], ["jobs", t`Jobs`, "read"], ["stats", t`Statistics`, "total"],
  ["publish", "Publish", "publish"], ["keys", "API keys", "admin"], ["links", "Portal links", "admin"], ["audit", t`Audit log`, "audit"], ["settings", "Settings", "admin"],
];
const pagesOfOperator = () => [
  ["", "Tenants", "read"], ["events", "Find an event", "read"], ["types", "Event types", "types"], ["dead-letters", "Dead letters", "read"], ["jobs", "Jobs", "read"], ["stats", "Statistics", "read"],
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
/** So long the page waits to know how it should look. */
const LOOKS_MS = 10_000;
/** In a frame, until the next try to get a token. */
const RENEW_AGAIN_MS = 15_000;

const $ = (id) => document.getElementById(id);

// ---- Messages

const listed = (details) => h("ul", null, details.map(({ field, problem }) => h("li", null, h("code", null, field), ` ${problem}`)));

/** Shows a message; errors stay until they are dismissed or the page is left. */
function say(text, { kind = "good", details = [], link } = {}) {
  const message = h("div", { class: `message ${kind}` },
    h("div", null,
      h("p", null, text, link && [" ", h("a", { href: link[0] }, link[1])]),
      details.length > 0 && listed(details)),
    h("button", { type: "button", class: "quiet", "aria-label": t`Dismiss`, click: () => dismiss(message) }, "×"));
  if (kind === "good") setTimeout(() => dismiss(message), MESSAGE_MS);
  $("messages").append(message);
  while ($("messages").children.length > 3) dismiss($("messages").firstChild);
}

const dismiss = (message) => keepingFocus($("messages"), () => message.remove());

/** Goes to an address. What was said last is about it, and comes along. */
function leaveFor(address, { inPlace } = {}) {
  const last = $("messages").lastElementChild;
  if (last) last.dataset.carried = "";
  if (inPlace) location.replace(address);
  else location.hash = address;
}

/** An error in words for people: a sentence, and what is wrong with each field, where there are several: of one the sentence is. */
async function wordsOf(error) {
  const text = sentence(error);
  if (!error.details?.length) return { text, details: [] };
  const { told } = await import("./problems.js");
  const details = error.details.map((detail) => ({ field: detail.field, problem: told(detail) }));
  const [{ problem }] = details;
  const isOwn = text !== error.message || problem === error.details[0].problem;
  return details.length > 1 ? { text, details } : { text: isOwn ? text : problem, details: [] };
}

/** What stands in place of a view that could not be shown. */
async function trouble(error, again) {
  const { text, details } = await wordsOf(error);
  return h("div", { class: "empty", role: "alert" }, h("p", null, h("strong", null, text)), details.length > 0 && listed(details), h("p", null, button(t`Try again`, again)));
}

/** A page of a title and a sentence, and the way to what is there. */
const deadEnd = (title, text, [address, label]) => h("div", null, h("h1", null, title), text && h("p", { role: "alert" }, text), h("p", null, h("a", { href: address }, label)));

/** Shows an error. The message is about the first field, so a single detail is not repeated. */
async function fail(error) {
  if (error.name === "AbortError") return undefined;
  if (error.status === 401) return end(error);
  if (!(error instanceof ApiError)) console.error(error);
  const { text, details } = await wordsOf(error);
  return say(text, { kind: "bad", details });
}

/** Asks for confirmation before something that cannot be undone. */
function confirmed(title, text, label, not = t`Cancel`) {
  return new Promise((resolve) => {
    // What was pressed may be drawn again while it asks.
    const back = placeIn($("main"));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title", close: () => {
      dialog.remove();
      back();
      resolve(dialog.returnValue === "yes");
    } },
      h("h2", { id: "dialog-title" }, title), h("p", null, text),
      h("div", { class: "actions end" },
        h("button", { type: "button", click: () => dialog.close() }, not),
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

/** Which page an address is of, whatever its query. */
const pathOf = ({ tenant, names }) => JSON.stringify([tenant, names]);

function linkIn(tenant) {
  return (path, query) => {
    const asked = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value)).toString();
    const names = [...(tenant ? ["t", tenant] : []), ...path].filter(Boolean).map(encodeURIComponent);
    return `#/${names.join("/")}${asked && `?${asked}`}`;
  };
}

function viewOf(views, names) {
  for (const [shape, load, name, need] of views) {
    const parts = shape.split("/").filter(Boolean);
    if (parts.length !== names.length) continue;
    const params = {};
    const fits = parts.every((part, index) => {
      if (part.startsWith(":")) params[part.slice(1)] = names[index];
      return part.startsWith(":") || part === names[index];
    });
    if (fits) return { view: async (context) => (await load().catch(unloaded))[name](context), params, need };
  }
  return { view: nothing, params: {} };
}

/** A script that did not come: a browser does not ask for it again before the page is loaded anew. */
function unloaded() {
  throw Object.assign(new ApiError(0, { code: "unreachable", message: "no answer" }), { again: async () => {
    try {
      await request(undefined, "GET /v1");
    } catch (error) {
      return fail(error);
    }
    return location.reload();
  } });
}

const start = () => ["#/", t`Go to the start page`];
const nothing = async () => ({ title: t`Not found`, element: deadEnd(t`Page not found`, "", start()) });

// ---- What is shown

/** How the operator wants the page to look. */
let brand = { frame_ancestors: [] };
let shown = { refresh: undefined, stop: new AbortController(), timer: undefined };

/** Nothing more comes of what was shown and of what was to be. */
function leave() {
  opening.abort();
  shown.stop.abort();
  clearTimeout(shown.timer);
}

/** What somebody has typed into a filter and not sent stays there, unless the filter itself has changed. */
function carryOver(element) {
  for (const old of $("main").querySelectorAll(":is(.filters, [role=search]) input[id]")) {
    const next = element.querySelector(`#${old.id}`);
    if (next?.type === "checkbox" || next?.defaultValue !== old.defaultValue) continue;
    next.value = old.value;
  }
}

function show({ title, element, refresh, land }, stop, moved) {
  shown.stop.abort();
  clearTimeout(shown.timer);
  shown = { refresh, stop };
  const name = brand.name ?? "Rung";
  document.title = title ? `${title} · ${name}` : name;
  if (!moved) carryOver(element);
  keepingFocus($("main"), () => $("main").replaceChildren(element));
  $("main").dataset.address = location.hash;
  // Whoever moves on with a keyboard or a screen reader begins at the top of what is new, without the messages of before; whoever
  // goes back, where they were; and whoever was led to something in it, there.
  if (moved || lastPath === undefined) scrollTo(0, history.state?.top ?? 0);
  if (moved) {
    $("main").focus({ preventScroll: true });
    for (const old of moved) old.remove();
    for (const { dataset } of document.querySelectorAll(".message")) delete dataset.carried;
    if (!history.state?.top) land?.();
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
  // On a phone the pages are a row that scrolls: the present one is in sight.
  const { offsetLeft: left = 0, offsetWidth: width = 0 } = $("nav").querySelector("[aria-current]") ?? {};
  $("nav").scrollLeft = left + width / 2 - $("nav").offsetLeft - $("nav").clientWidth / 2;
  return offered;
}

let opening = new AbortController();
let lastPath;

/** Where nobody is signed in: the way in is a key or, for whoever came by a link, the product that it came from. */
function outside(stop) {
  $("progress").hidden = true;
  if (isFramed() || lastLink()) return show({ element: endedPage(brand, isFramed() && enter) }, stop);
  show({ title: t`Sign in`, element: signInForm(brand, open) }, stop);
  return $("key").focus();
}

async function open() {
  opening.abort();
  opening = new AbortController();
  const stop = opening;
  const who = session();
  $("top").hidden = !who;
  $("back").hidden = !who?.back;
  $("back").setAttribute("href", who?.back ?? "#/");
  if (!who) return outside(stop);
  const { tenant, names, query } = address();
  // A tenant's own key says by itself whose it is.
  if (!who.operator && tenant) return location.replace(linkIn()(names, query));
  const pages = drawNav(who, tenant, names);
  const [[first] = []] = pages;
  if (names.length === 0 && first === undefined) {
    $("progress").hidden = true;
    return show({ element: h("div", { class: "empty" }, h("p", null, t`This key opens no page here. To see webhooks it needs the scope ${h("code", null, "read")}.`)) }, stop);
  }
  if (names.length === 0 && first) return location.replace(linkIn(tenant)(who.webhook ? ["webhooks", who.webhook] : [first]));
  const { view, params, need } = viewOf(who.operator && !tenant ? OPERATOR_VIEWS : VIEWS, names);
  const link = linkIn(tenant);
  const path = pathOf({ tenant, names });
  // What has been said by now is left behind with the page, but for what is about this one.
  const moved = lastPath !== undefined && path !== lastPath && document.querySelectorAll(".message:not([data-carried])");
  if (need && !can(need)) {
    const why = need === "add" && who.unplanned ? t`The plan has no webhooks.` : t`Your key or link does not allow this page.`;
    show({ title: t`Not allowed`, element: deadEnd(t`Not allowed`, why, start()) }, stop, moved);
    lastPath = path;
    $("progress").hidden = true;
    return undefined;
  }
  const asked = (call, params, options) => {
    // What is only read is given up with the view; what changes something is not, and what cannot be undone by itself is made once.
    // The key of an event is its id.
    const signal = call.startsWith("GET ") ? stop.signal : undefined;
    const make = (key) => request(session()?.key, call, { tenant, params, signal, repeat: key && call === "POST /v1/events" ? `evt_${key}` : key, ...options });
    return call.startsWith("POST ") ? once(JSON.stringify([tenant, call, params, options]), make) : make();
  };
  const ask = async (...call) => {
    try {
      return await asked(...call);
    } catch (error) {
      // In a frame another link follows one that has ended, and what a person has typed stays.
      if (error.status !== 401 || !session()?.link || !isFramed() || !(await renewed())) throw error;
      return asked(...call);
    }
  };
  const context = {
    tenant, params, query, link, say, fail, confirmed, can,
    /** Whether what is shown is of all tenants. */
    spans: who.operator && !tenant,
    /** Makes a call; its data. */
    call: async (...call) => (await ask(...call)).data,
    /** Makes a call; its data with the text it was read from. */
    ask,
    /**
     * Goes to the same page with another query, from which "Back" leads back. What else has changed in the address since this view
     * was made stays: the next filter is chosen before the page has followed the first.
     */
    narrow: (wanted) => {
      const changed = Object.keys({ ...query, ...wanted }).filter((name) => wanted[name] !== query[name]);
      const present = path === pathOf(address()) ? address().query : query;
      location.hash = link(names, { ...present, ...Object.fromEntries(changed.map((name) => [name, wanted[name]])) });
    },
    /** Goes to another page, unless the person has left this one meanwhile. */
    go: (...to) => { if (path === pathOf(address())) leaveFor(link(...to)); },
    /** The same from a page that is done with, also to a whole address: "Back" does not lead to it. */
    goOn: (to, asked) => { if (path === pathOf(address())) leaveFor(typeof to === "string" ? to : link(to, asked), { inPlace: true }); },
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
    // The list that it would be in, or the start page where that is not there either.
    const [, label] = (names.length > 1 && pages.find(([name]) => name === names[0])) || [];
    show(error.status === 404
      ? { title: t`Not found`, element: deadEnd(t`Not found`, sentence(error), label ? [link([names[0]]), label] : start()) }
      : { title: t`Error`, element: await trouble(error, error.again ?? open) }, stop, moved);
  } finally {
    clearTimeout(slow);
  }
  lastPath = path;
  $("progress").hidden = true;
  return undefined;
}

// ---- Coming and going

/** Takes the token of a portal link out of the address, before anything else happens. */
function arrive() {
  const [, token] = /^#t=(.+)$/.exec(location.hash) ?? [];
  if (!token) return;
  history.replaceState(null, "", "#/");
  leave();
  arriveWith(token);
  $("top").hidden = true;
  $("main").replaceChildren(skeleton());
}

/** Whether asking again may help: nobody has answered, or not as Rung does. */
const mayPass = ({ status, code }) => code !== "invalid_key" && (status < 400 || status >= 500 || status === 408 || status === 429);

/** Opens what is asked for. */
async function enter() {
  arrive();
  if (!dressed) await dress();
  const token = arriving();
  if (token) {
    try {
      await signIn(token);
    } catch (error) {
      if (arriving() !== token) return undefined;
      // In a frame another may follow at once.
      if (!mayPass(error)) return isFramed() && (await renewed()) ? open() : end(error);
      $("progress").hidden = true;
      return show({ title: t`Error`, element: await trouble(error, enter) }, new AbortController());
    }
    renewInTime();
  } else if (!session() && isFramed()) {
    await renewed();
  }
  return open();
}

let asking = false;

/** Whether the page may be left: what somebody has changed on it is saved, or not wanted. */
async function mayLeave() {
  if (!isEdited()) return true;
  if (asking) return false;
  asking = true;
  const may = await confirmed(t`Leave without saving?`, t`What you have changed here is not saved.`, t`Leave`);
  asking = false;
  if (may) giveUpEdits();
  return may;
}

/** Follows the address, unless somebody would rather stay: then it is again that of what is shown. */
async function follow() {
  const wanted = location.hash;
  const before = $("main").dataset.address;
  if (wanted === before || wanted.startsWith("#t=") || !isEdited()) return enter();
  history.replaceState(history.state, "", before);
  if (!await mayLeave()) return undefined;
  history.replaceState(null, "", wanted);
  return enter();
}

let renewal;

/** In a frame, the next token comes before this one ends. */
function renewInTime(pause) {
  clearTimeout(renewal);
  const { ends, life } = session() ?? {};
  if (!ends || !isFramed()) return;
  renewal = setTimeout(async () => { if (!(await renewed())) renewInTime(RENEW_AGAIN_MS); }, pause ?? renewalIn(ends, life));
}

/** Takes a new token from the page around this one. One of another tenant begins anew. Answers whether there was one. */
async function renew() {
  if (!dressed) await dress();
  const token = await tokenFrom(brand.frame_ancestors);
  if (!token) return false;
  const before = session();
  await signIn(token);
  renewInTime();
  const { tenant, webhook } = session();
  if (before && (before.tenant !== tenant || before.webhook !== webhook)) {
    giveUpEdits();
    location.hash = "#/";
  }
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
  if (session()?.link || arriving()) {
    signOutOfLink(Boolean(error));
    return open();
  }
  const told = session() && error;
  signOut();
  await open();
  return told && say(sentence(error), { kind: "bad" });
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
    // What was shown is gone.
    if (error.status === 404) {
      open();
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

/** How bright a colour is, from 0 to 1. */
function brightness(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** A text on the accent that can be read: white or black, whichever stands out more. */
const textOn = (colour) => (brightness(colour) > 0.18 ? "#000" : "#fff");

/** How much two colours stand out from one another, as WCAG counts it. */
function contrast(one, other) {
  const [dark, light] = [one, other].map(brightness).sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

let dressed = false;
let dressing;

/** Makes the page look as the operator wants it. */
function dress() {
  dressing ??= dressUp().finally(() => { dressing = undefined; });
  return dressing;
}

/** The colours that follow from the operator's accent: what has the focus is framed in it where it stands out. */
function coloursOf(accent) {
  const focus = (ground, usual) => (contrast(accent, ground) >= 3 ? accent : usual);
  return `--accent: ${accent}; --on-accent: ${textOn(accent)}; --focus: light-dark(${focus("#f6f6f8", "#4353c9")}, ${focus("#1b1d23", "#98a4ff")});`;
}

async function dressUp() {
  try {
    ({ data: { portal: brand } } = await request(undefined, "GET /v1", { signal: AbortSignal.timeout(LOOKS_MS) }));
    dressed = true;
  } catch {
    // The page says that nobody answers as soon as it asks for something, and asks this again when it is entered again.
  }
  await speak(brand.language, brand.sentences);
  if (brand.theme === "light" || brand.theme === "dark") document.documentElement.dataset.theme = brand.theme;
  $("brand-name").textContent = brand.name ?? "Rung";
  if (brand.logo) {
    $("logo").setAttribute("src", brand.logo);
    $("icon").setAttribute("href", brand.logo);
  }
  if (brand.accent) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`:root { ${coloursOf(brand.accent)} }`);
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
  // What a person has typed or copied stays: only times are told anew.
  setZone(target.value);
  refreshed();
});
document.addEventListener("visibilitychange", onTime);
$("sign-out").addEventListener("click", async () => {
  if (!await mayLeave()) return;
  lastPath = undefined;
  history.replaceState(null, "", "#/");
  end();
});
// The address after the `#` is the page's own, so the browser cannot follow this one.
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
addEventListener("hashchange", follow);
addEventListener("beforeunload", (event) => { if (isEdited()) event.preventDefault(); });
$("main").replaceChildren(skeleton());
$("progress").hidden = false;
renewInTime();
enter();
