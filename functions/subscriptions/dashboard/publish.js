// Publishing an event by hand.

import { count, field, h } from "./dom.js";
import { form, objectIn, part, textInput, textLines } from "./fields.js";
import { member, pretty } from "./json.js";
import { catalogueOf, typeInput } from "./types.js";

export async function publish({ call, ask, act, say, fail, link, go }) {
  const catalogue = await catalogueOf(call);
  const first = catalogue.event_types[0]?.type ?? "";
  const hint = catalogue.any_type ? "for example order.paid" : undefined;
  const { element: type, input: chosen } = typeInput(catalogue, first, hint, { id: "type", name: "type", required: true });
  const [data, id] = [
    part("data", "Data", textLines({ id: "data", rows: 14 }), "A JSON object. It is sent digit by digit as you write it."),
    part("id", "Id", textInput({ id: "id", placeholder: "generated" }), "Optional. The same id is accepted once."),
  ];
  const description = h("p", { class: "sub" });
  let sample = "";

  /** Puts the type's sample in, unless somebody has written something of their own. */
  async function offer() {
    const known = catalogue.event_types.find(({ type }) => type === chosen.value);
    description.textContent = known?.description ?? "";
    if (!chosen.value || (data.input.value && data.input.value !== sample)) return;
    sample = "{}";
    if (known) {
      const { text } = await ask("GET /v1/event-types/{type}", { type: chosen.value }, {});
      sample = pretty(member(text, ["data", "event_type", "sample"])) ?? "{}";
      if (sample === "null") sample = "{}";
    }
    data.input.value = sample;
  }
  chosen.addEventListener("change", () => act(offer));
  await offer();
  const submit = h("button", { type: "submit", class: "primary", id: "publish" }, "Publish");
  const send = async () => {
    const text = objectIn(data.input.value, "data")?.text ?? "{}";
    const members = [`"type":${JSON.stringify(chosen.value)}`, ...(id.input.value ? [`"id":${JSON.stringify(id.input.value)}`] : []), `"data":${text}`];
    // An event is published once by its own id, or else by the one that is made of the key.
    const { event, deliveries, reason } = await call("POST /v1/events", {}, { body: `{${members.join()}}`, ...(id.input.value && { repeat: undefined }) });
    if (deliveries > 0) {
      say(`Published to ${count(deliveries)} ${deliveries === 1 ? "webhook" : "webhooks"}.`);
      go(["events", event.id]);
    } else {
      say(`Published to no webhook: ${reason}.`, { kind: "wait", link: [link(["events", event.id]), "View the event"] });
    }
  };
  return {
    title: "Publish",
    element: form({ class: "card publish", "data-guarded": true }, [data, id], submit, send, fail,
      h("h1", null, "Publish an event"), field("Event type", type), description, data.element, id.element,
      h("p", { class: "sub" }, "This publishes a real event to every webhook that subscribes to it."), h("div", { class: "actions end" }, submit)),
  };
}
