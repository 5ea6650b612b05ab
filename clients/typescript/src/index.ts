import { type CallOptions, Http, type Options } from "./http.js";
import * as resources from "./resources.js";
import type { About, Key, PortalLink, Quota, Tenant } from "./types.js";

export { ApiError, ConnectionError, type ErrorBody, type ErrorDetail, RungError } from "./errors.js";
export type { CallOptions, Options } from "./http.js";
export { type Page, Pages } from "./pages.js";
export { PublishError, type PublishResult } from "./publish.js";
export type { Deleted, PutTenant } from "./resources.js";

/** Whose key this is, and what is left of its quota. A portal's token has a link in place of a key. */
export interface Me {
  key: Key | null;
  portal_link: PortalLink | null;
  tenant: Tenant | null;
  quota: { events_per_hour: Quota | null; events_per_month: Quota | null };
}

/** Rung's API. */
export class Rung {
  readonly #http: Http;
  readonly tenants: resources.Tenants;
  readonly tenantKeys: resources.TenantKeys;
  readonly keys: resources.Keys;
  readonly portalLinks: resources.PortalLinks;
  readonly webhooks: resources.Webhooks;
  readonly events: resources.Events;
  readonly eventTypes: resources.EventTypes;
  readonly logs: resources.Logs;
  readonly deliveries: resources.Deliveries;
  readonly jobs: resources.Jobs;
  readonly stats: resources.StatsOfAll;
  readonly audit: resources.Audit;
  readonly deadLetters: resources.DeadLetters;
  readonly exports: resources.Exports;

  constructor(options: Options | Http) {
    const http = options instanceof Http ? options : new Http(options);
    this.#http = http;
    this.tenants = new resources.Tenants(http);
    this.tenantKeys = new resources.TenantKeys(http);
    this.keys = new resources.Keys(http);
    this.portalLinks = new resources.PortalLinks(http);
    this.webhooks = new resources.Webhooks(http);
    this.events = new resources.Events(http);
    this.eventTypes = new resources.EventTypes(http);
    this.logs = new resources.Logs(http);
    this.deliveries = new resources.Deliveries(http);
    this.jobs = new resources.Jobs(http);
    this.stats = new resources.StatsOfAll(http);
    this.audit = new resources.Audit(http);
    this.deadLetters = new resources.DeadLetters(http);
    this.exports = new resources.Exports(http);
  }

  /** The same client, acting for a tenant. Needs an operator's key. */
  forTenant(tenant: string): Rung {
    return new Rung(this.#http.forTenant(tenant));
  }

  /** Version, features and limits of the deployment. */
  async about(options?: CallOptions): Promise<About> {
    return this.#http.call(["version", "limits"], "GET", "/v1", options);
  }

  /** Whose key this is, and what is left of its quota. */
  async me(options?: CallOptions): Promise<Me> {
    return this.#http.call(["key", "tenant", "quota"], "GET", "/v1/me", options);
  }

  async health(options?: CallOptions): Promise<{ status: string; version: string }> {
    return this.#http.call(["status"], "GET", "/v1/health", options);
  }

  /** The addresses that deliveries come from. */
  async egressIps(options?: CallOptions): Promise<string[]> {
    return this.#http.one("egress_ips", "GET", "/v1/egress-ips", options);
  }
}
