// What this deployment is, and how its portal looks: settings that are made outside of the page.

import { count, facts, h, table } from "./dom.js";

export async function deployment({ call }) {
  const about = await call("GET /v1");
  const { limits, portal } = about;
  const all = (list) => (list?.length > 0 ? h("span", { class: "types" }, list.map((each) => h("code", null, each))) : "none");
  return {
    title: "Deployment",
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, "Deployment")),
      h("section", { class: "card" }, h("h2", null, "Rung"), facts([
        ["Version", about.version], ["Kept for", `${about.retention_days} days`], ["Deliveries come from", all(about.egress_ips)],
        ["Webhooks per tenant", count(limits.webhooks_per_tenant)], ["Events in a batch", count(limits.batch_events)],
      ])),
      h("section", { class: "card" }, h("h2", null, "Portal"),
        h("p", { class: "sub" }, "How customers see this page. It is not changed here but by the deployment's setting: ", h("code", null, "RUNG_PORTAL"), " of ", h("code", null, "rung dev"), ", the parameter ", h("code", null, "Portal"), " of the template. Both take a JSON object."),
        facts([
          ["Name", portal.name ?? "Rung"], ["Logo", portal.logo ? h("img", { src: portal.logo, alt: "The logo", height: 32 }) : "Rung's"], ["Colour", portal.accent ?? "Rung's"],
          ["Theme", portal.theme], ["Language", portal.language ?? "the browser's"], ["Sentences", portal.sentences ?? "Rung's"], ["Pages", portal.pages ? all(portal.pages) : "all"], ["May be framed by", all(portal.frame_ancestors)],
        ])),
      h("section", { class: "card" }, h("h2", null, "Dialects"),
        table("Dialects", ["Name", "Description", "Types"], about.dialects.map(({ name, description, any_type }) => [h("code", null, name), description, any_type ? "any" : "its own"])))),
  };
}
