// A product whose customers set up their webhooks in its own pages: Rung's portal in a frame. It needs Node and the command `rung`.
//
//   RUNG_PORTAL='{"frame_ancestors": ["http://127.0.0.1:3000"]}' rung dev
//   RUNG_ADMIN_KEY=$(cat .rung/admin-key) node server.mjs       # then open http://127.0.0.1:3000/

import { createServer } from "node:http";

const { RUNG_URL = "http://127.0.0.1:8080", RUNG_ADMIN_KEY, PORT = "3000", LINK_SECONDS = "3600" } = process.env;

/** Whoever is signed in at the product. Yours comes from your session. */
const signedIn = () => ({ tenant: "acme", id: "user_42", name: "jo@acme.example" });

async function rung(method, path, body, headers) {
  const response = await fetch(RUNG_URL + path, { method, headers: { Authorization: `Bearer ${RUNG_ADMIN_KEY}`, ...headers }, body: JSON.stringify(body) });
  const answer = await response.json();
  // 412: there is one, and it stays as it is.
  if (!answer.success && !(headers?.["If-None-Match"] && response.status === 412)) throw new Error(answer.error.message);
  return answer.data;
}

/** A link to the portal for this customer. The admin key stays here; the browser gets the link alone. */
async function portalLink({ tenant, id, name }) {
  const { portal_link: link } = await rung("POST", `/v1/tenants/${tenant}/portal-links`, {
    capabilities: ["manage", "secrets", "test"],
    actor: { id, name },
    expires_at: new Date(Date.now() + Number(LINK_SECONDS) * 1000).toISOString(),
  });
  return { url: link.url, token: link.token };
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Acme settings</title>
<style>
  body { margin: 0; font: 16px system-ui; display: grid; grid-template-rows: auto 1fr; height: 100vh; }
  h1 { font-size: 1.1rem; margin: 0; padding: 1rem; border-bottom: 1px solid #ddd; }
  iframe { border: 0; width: 100%; height: 100%; }
</style>
<h1>Acme · Settings · Webhooks</h1>
<div id="webhooks"></div>
<script src="${RUNG_URL}/dashboard/embed.js"></script>
<script>
  const link = () => fetch("/portal-link", { method: "POST" }).then((answer) => answer.json());
  rungPortal.open(document.querySelector("#webhooks"), link);
</script>
`;

const { tenant } = signedIn();
await rung("PUT", `/v1/tenants/${tenant}`, { name: "Acme" }, { "If-None-Match": "*" });
createServer(async (request, response) => {
  if (request.method === "GET" && request.url === "/") return response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
  // Another site's page cannot read the answer; one of your own pages may ask for its customer's link alone.
  if (request.method !== "POST" || request.url !== "/portal-link") return response.writeHead(404).end();
  try {
    const link = await portalLink(signedIn());
    response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" }).end(JSON.stringify(link));
  } catch (error) {
    console.error(error);
    response.writeHead(502).end();
  }
}).listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT}/`));
