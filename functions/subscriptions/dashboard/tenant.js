// The settings of a tenant: its name, dialect and plan; and its end.

import { button, copyable, facts, h, time } from "./dom.js";
import { form, objectIn, part, textInput, textLines } from "./fields.js";
import { member } from "./json.js";
import { dialectAndPlan } from "./plan.js";

export async function tenant({ tenant: id, ask, call, act, say, fail, confirmed, goOn }) {
  const of = { tenant: id };
  const [{ data: { tenant: old }, text, etag }, { dialects }] = await Promise.all([ask("GET /v1/tenants/{tenant}", of), call("GET /v1/me")]);
  const recover = h("input", { type: "checkbox", id: "recover-missed" });
  const metadata = Object.keys(old.metadata).length > 0 ? member(text, ["data", "tenant", "metadata"]) : "";
  const parts = [
    part("name", "Name", textInput({ id: "tenant-name", value: old.name }), "As you call the customer."),
    ...dialectAndPlan(dialects, old, {
      dialect: "For new webhooks; those that there are keep theirs.",
      plan: "One of the dialect's plans. A plan without webhooks disables them; one with webhooks enables exactly those again.",
    }),
    part("metadata", "Metadata", textLines({ id: "metadata" }, metadata), "A JSON object for your own use."),
  ];
  const save = async () => {
    const [name, dialect, plan, kept] = parts.map(({ input }) => input);
    const own = objectIn(kept.value, "metadata");
    const gone = Object.keys(old.metadata).filter((key) => !(key in (own?.parsed ?? {}))).map((key) => `${JSON.stringify(key)}:null`);
    const members = [(own?.text ?? "{}").replace(/^\{|\}$/g, "").trim(), ...gone].filter(Boolean).join();
    const fields = JSON.stringify({ name: name.value.trim() || null, dialect: dialect.value, plan: plan.value.trim() || null });
    await ask("PATCH /v1/tenants/{tenant}", of, { body: `${fields.slice(0, -1)},"metadata":{${members}}}`, query: { recover: recover.checked && "true" }, ifMatch: etag });
    say("Tenant saved.");
    goOn(["webhooks"]);
  };
  const remove = () => act(async () => {
    if (!await confirmed(`Delete the tenant ${old.name ?? id}?`, "Its webhooks, keys, events and logs are erased. This cannot be undone.", "Delete")) return;
    await call("DELETE /v1/tenants/{tenant}", of);
    say("The tenant is being erased.");
    goOn("#/jobs");
  });
  const submit = h("button", { type: "submit", class: "primary", id: "save-tenant" }, "Save");
  return {
    title: "Settings",
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, "Settings"), button("Delete the tenant…", remove, { id: "delete-tenant", class: "danger" })),
      form({ class: "card", "data-guarded": true }, parts, submit, save, fail,
        facts([["Id", copyable(id, "Copy the id")], ["Retention", old.retention_days && `${old.retention_days} days`], ["Created", time(old.created_at)]]),
        parts.map(({ element }) => element),
        h("label", { class: "check" }, recover, "Send what webhooks missed that a new plan enables"),
        h("div", { class: "actions end" }, submit))),
  };
}
