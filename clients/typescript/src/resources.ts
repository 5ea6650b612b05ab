import { type CallOptions, errorOf, type Http, isObject, parse, path, sleep } from "./http.js";
import { Pages } from "./pages.js";
import { publish, publishBatch, type PublishResult } from "./publish.js";
import type * as t from "./types.js";

/** A resource that is no more. */
export interface Deleted {
  id: string;
  deleted: true;
}

/** A tenant, how many of its webhooks the plan has disabled or activated, and the job that sends what they missed, if asked for. */
export interface PutTenant {
  tenant: t.Tenant;
  webhooks: t.PlanChange;
  job: t.Job | null;
}

/** What a call answers whose shape the description does not fix. */
type Json = Record<string, unknown>;

class Resource {
  protected readonly http: Http;

  constructor(http: Http) {
    this.http = http;
  }
}

/** Your customers. Needs an operator's key. */
export class Tenants extends Resource {
  async create(body: t.CreateTenantRequest, options?: CallOptions): Promise<t.Tenant> {
    return this.http.one<t.Tenant>("tenant", "POST", "/v1/tenants", { ...options, body });
  }

  /** Creates or replaces. */
  async put(id: string, body: t.PutTenantRequest, { recover, ...options }: CallOptions & { recover?: boolean } = {}): Promise<PutTenant> {
    return this.http.call(["tenant"], "PUT", path`/v1/tenants/${id}`, { ...options, query: { recover }, body });
  }

  list(query?: t.ListTenantsQuery): Pages<t.Tenant> {
    return new Pages(this.http, "/v1/tenants", "tenants", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Tenant> {
    return this.http.one<t.Tenant>("tenant", "GET", path`/v1/tenants/${id}`, options);
  }

  /** Changes what is named (RFC 7396). */
  async update(id: string, body: t.UpdateTenantRequest, { recover, ...options }: CallOptions & { recover?: boolean } = {}): Promise<PutTenant> {
    return this.http.call(["tenant"], "PATCH", path`/v1/tenants/${id}`, { ...options, query: { recover }, body });
  }

  /** Deletes the tenant and erases what it has; the job shows how far that is. */
  async delete(id: string, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "DELETE", path`/v1/tenants/${id}`, options);
  }
}

/** Keys of tenants. Needs an operator's key. */
export class TenantKeys extends Resource {
  /** `key`, the key itself, is answered once. */
  async create(tenant: string, body: t.CreateKeyRequest, options?: CallOptions): Promise<t.Key> {
    return this.http.one<t.Key>("key", "POST", path`/v1/tenants/${tenant}/keys`, { ...options, body });
  }

  list(tenant: string, query?: t.ListKeysQuery): Pages<t.Key> {
    return new Pages(this.http, path`/v1/tenants/${tenant}/keys`, "keys", query);
  }

  async get(tenant: string, id: string, options?: CallOptions): Promise<t.Key> {
    return this.http.one<t.Key>("key", "GET", path`/v1/tenants/${tenant}/keys/${id}`, options);
  }

  async update(tenant: string, id: string, body: t.UpdateKeyRequest, options?: CallOptions): Promise<t.Key> {
    return this.http.one<t.Key>("key", "PATCH", path`/v1/tenants/${tenant}/keys/${id}`, { ...options, body });
  }

  async delete(tenant: string, id: string, options?: CallOptions): Promise<Deleted> {
    return this.http.one<Deleted>("key", "DELETE", path`/v1/tenants/${tenant}/keys/${id}`, options);
  }
}

/** The operator's own keys. */
export class Keys extends Resource {
  /** `key`, the key itself, is answered once. */
  async create(body: t.CreateOperatorKeyRequest, options?: CallOptions): Promise<t.Key> {
    return this.http.one<t.Key>("key", "POST", "/v1/keys", { ...options, body });
  }

  list(query?: t.ListOperatorKeysQuery): Pages<t.Key> {
    return new Pages(this.http, "/v1/keys", "keys", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Key> {
    return this.http.one<t.Key>("key", "GET", path`/v1/keys/${id}`, options);
  }

  async update(id: string, body: t.UpdateOperatorKeyRequest, options?: CallOptions): Promise<t.Key> {
    return this.http.one<t.Key>("key", "PATCH", path`/v1/keys/${id}`, { ...options, body });
  }

  async delete(id: string, options?: CallOptions): Promise<Deleted> {
    return this.http.one<Deleted>("key", "DELETE", path`/v1/keys/${id}`, options);
  }
}

/** Links with which a tenant's people see their webhooks. Needs an operator's key. */
export class PortalLinks extends Resource {
  /** `url` and `token` are answered once. */
  async create(tenant: string, body: t.CreatePortalLinkRequest = {}, options?: CallOptions): Promise<t.PortalLink> {
    return this.http.one<t.PortalLink>("portal_link", "POST", path`/v1/tenants/${tenant}/portal-links`, { ...options, body });
  }

  list(tenant: string, query?: t.ListPortalLinksQuery): Pages<t.PortalLink> {
    return new Pages(this.http, path`/v1/tenants/${tenant}/portal-links`, "portal_links", query);
  }

  async get(tenant: string, id: string, options?: CallOptions): Promise<t.PortalLink> {
    return this.http.one<t.PortalLink>("portal_link", "GET", path`/v1/tenants/${tenant}/portal-links/${id}`, options);
  }

  async delete(tenant: string, id: string, options?: CallOptions): Promise<Deleted> {
    return this.http.one<Deleted>("portal_link", "DELETE", path`/v1/tenants/${tenant}/portal-links/${id}`, options);
  }

  async deleteAll(tenant: string, options?: CallOptions): Promise<void> {
    await this.http.call([], "DELETE", path`/v1/tenants/${tenant}/portal-links`, options);
  }
}

/** Endpoints of a tenant. */
export class Webhooks extends Resource {
  /** `secret` is answered here and at a rotation only. */
  async create(body: t.CreateWebhookRequest, options?: CallOptions): Promise<t.Webhook> {
    return this.http.one<t.Webhook>("webhook", "POST", "/v1/webhooks", { ...options, body });
  }

  /** Imports or replaces, with secrets and all. Needs an operator's key. */
  async put(id: string, body: t.PutWebhookRequest, options?: CallOptions): Promise<t.Webhook> {
    return this.http.one<t.Webhook>("webhook", "PUT", path`/v1/webhooks/${id}`, { ...options, body });
  }

  list(query?: t.ListWebhooksQuery): Pages<t.Webhook> {
    return new Pages(this.http, "/v1/webhooks", "webhooks", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Webhook> {
    return this.http.one<t.Webhook>("webhook", "GET", path`/v1/webhooks/${id}`, options);
  }

  /** Changes what is named (RFC 7396). */
  async update(id: string, body: t.UpdateWebhookRequest, options?: CallOptions): Promise<t.Webhook> {
    return this.http.one<t.Webhook>("webhook", "PATCH", path`/v1/webhooks/${id}`, { ...options, body });
  }

  /** Activates a disabled webhook, and starts a job that sends what it missed. */
  async activate(id: string, options?: CallOptions): Promise<{ webhook: t.Webhook; job: t.Job }> {
    return this.http.call(["webhook", "job"], "PATCH", path`/v1/webhooks/${id}`, { ...options, body: { status: "active", recover: true } });
  }

  /** Deletes the webhook and erases its log; the job shows how far that is. */
  async delete(id: string, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "DELETE", path`/v1/webhooks/${id}`, options);
  }

  /** The secret in force, and older ones that are still valid. */
  async secret(id: string, options?: CallOptions): Promise<{ secret: string; old_secrets: t.OldSecret[] }> {
    return this.http.call(["secret", "old_secrets"], "GET", path`/v1/webhooks/${id}/secret`, options);
  }

  /** Sends a sample event now and answers what came of it. */
  async test(id: string, body: t.TestWebhookRequest = {}, options?: CallOptions): Promise<t.LogEntry> {
    return this.http.one<t.LogEntry>("log", "POST", path`/v1/webhooks/${id}/test`, { ...options, body });
  }

  /** Examines the receiver: sends it genuine and forged deliveries, and answers what is to be mended. */
  async prove(id: string, body: t.ProveWebhookRequest = {}, options?: CallOptions): Promise<t.ReceiverReport> {
    return this.http.one<t.ReceiverReport>("report", "POST", path`/v1/webhooks/${id}/prove`, { ...options, body });
  }

  /** Asks the endpoint to echo a token. */
  async verify(id: string, options?: CallOptions): Promise<t.Webhook> {
    return this.http.one<t.Webhook>("webhook", "POST", path`/v1/webhooks/${id}/verify`, { ...options, body: {} });
  }

  /** Answers the webhook with its new `secret`. The old one is valid until `old_secret_expires_at`. */
  async rotateSecret(id: string, body: t.RotateSecretRequest = {}, options?: CallOptions): Promise<t.Webhook> {
    return this.http.one<t.Webhook>("webhook", "POST", path`/v1/webhooks/${id}/rotate-secret`, { ...options, body });
  }

  /** Ends the validity of the old secret now. */
  async finishRotation(id: string, options?: CallOptions): Promise<t.Webhook> {
    return this.http.one<t.Webhook>("webhook", "POST", path`/v1/webhooks/${id}/rotate-secret/finish`, { ...options, body: {} });
  }

  /** Which of the last events a filter takes. */
  async previewFilter(body: t.PreviewFilterRequest, options?: CallOptions): Promise<t.FilterPreview> {
    return this.http.call(["events"], "POST", "/v1/filter-preview", { ...options, body });
  }

  /** Sends again what did not arrive. */
  async recover(id: string, body: t.RecoverRequest = {}, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "POST", path`/v1/webhooks/${id}/recover`, { ...options, body });
  }

  /** How much {@link Webhooks.recover} would send. */
  async countRecoverable(id: string, body: t.RecoverRequest = {}, options?: CallOptions): Promise<t.RecoveryCount> {
    return this.http.call(["count"], "POST", path`/v1/webhooks/${id}/recover`, { ...options, body: { ...body, dry_run: true } });
  }

  /** Sends again what did not arrive at any webhook of the tenant. */
  async recoverAll(body: t.RecoverRequest = {}, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "POST", "/v1/recover", { ...options, body });
  }

  async stats(id: string, query?: t.GetWebhookStatsQuery, options?: CallOptions): Promise<t.Stats> {
    return this.http.one<t.Stats>("stats", "GET", path`/v1/webhooks/${id}/stats`, { ...options, query });
  }
}

/** What happened. */
export class Events extends Resource {
  /** Returns once Rung has stored the event. Without an `id` or an `idempotencyKey` of yours, calling this again publishes another event. */
  async publish(event: t.PublishEventRequest, options?: CallOptions): Promise<t.Published> {
    return publish(this.http, event, options);
  }

  /** Publishes any number of events and returns one result per event, in order: look at each `success`. */
  async publishBatch(events: readonly t.PublishEventRequest[], options?: CallOptions): Promise<PublishResult[]> {
    return publishBatch(this.http, events, options);
  }

  list(query?: t.ListEventsQuery): Pages<t.ListedEvent> {
    return new Pages(this.http, "/v1/events", "events", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Event> {
    return this.http.one<t.Event>("event", "GET", path`/v1/events/${id}`, options);
  }

  /** The event's deliveries, one per webhook. */
  deliveries(id: string, query?: t.GetEventQuery): Pages<t.Delivery> {
    return new Pages(this.http, path`/v1/events/${id}`, "deliveries", query);
  }

  /** Erases the event; the job shows how far that is. */
  async delete(id: string, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "DELETE", path`/v1/events/${id}`, options);
  }
}

/** Types may contain slashes. */
const segments = (type: string) => (typeof type === "string" ? type.split("/") : type);

/** The catalogue. */
export class EventTypes extends Resource {
  list(query?: t.ListEventTypesQuery): Pages<t.EventType> {
    return new Pages(this.http, "/v1/event-types", "event_types", query);
  }

  async get(type: string, { dialect, ...options }: CallOptions & { dialect?: string } = {}): Promise<t.EventType> {
    return this.http.one<t.EventType>("event_type", "GET", path`/v1/event-types/${segments(type)}`, { ...options, query: { dialect } });
  }

  /** Creates or replaces. An operator's key without a tenant sets it for the deployment's `dialect`. */
  async put(type: string, body: Json, { dialect, ...options }: CallOptions & { dialect?: string } = {}): Promise<t.EventType> {
    return this.http.one<t.EventType>("event_type", "PUT", path`/v1/event-types/${segments(type)}`, { ...options, query: { dialect }, body });
  }

  async delete(type: string, { dialect, ...options }: CallOptions & { dialect?: string } = {}): Promise<Json> {
    return this.http.call([], "DELETE", path`/v1/event-types/${segments(type)}`, { ...options, query: { dialect } });
  }
}

/** Attempts. */
export class Logs extends Resource {
  /** All of the tenant, newest first. */
  list(query?: t.ListAllLogsQuery): Pages<t.LogEntry> {
    return new Pages(this.http, "/v1/logs", "logs", query);
  }

  /** Those at one webhook. */
  ofWebhook(webhook: string, query?: t.ListLogsQuery): Pages<t.LogEntry> {
    return new Pages(this.http, path`/v1/webhooks/${webhook}/logs`, "logs", query);
  }

  /** One attempt with its request and response. */
  async get(webhook: string, id: string, options?: CallOptions): Promise<t.LogDetail> {
    return this.http.one<t.LogDetail>("log", "GET", path`/v1/webhooks/${webhook}/logs/${id}`, options);
  }

  /** Sends that delivery again now. */
  async retry(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return this.http.one<t.Delivery>("delivery", "POST", path`/v1/webhooks/${webhook}/logs/${id}/retry`, { ...options, body: {} });
  }
}

/** Events on their way to a webhook. */
export class Deliveries extends Resource {
  /** Those that wait, or were held, missed, failed or cancelled. */
  list(webhook: string, query?: t.ListDeliveriesQuery): Pages<t.Delivery> {
    return new Pages(this.http, path`/v1/webhooks/${webhook}/deliveries`, "deliveries", query);
  }

  async get(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return this.http.one<t.Delivery>("delivery", "GET", path`/v1/webhooks/${webhook}/deliveries/${id}`, options);
  }

  /** Sends it again now. */
  async retry(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return this.http.one<t.Delivery>("delivery", "POST", path`/v1/webhooks/${webhook}/deliveries/${id}/retry`, { ...options, body: {} });
  }

  async cancel(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return this.http.one<t.Delivery>("delivery", "POST", path`/v1/webhooks/${webhook}/deliveries/${id}/cancel`, { ...options, body: {} });
  }

  /** Cancels all of these statuses; the job shows how far that is. */
  async cancelAll(webhook: string, body: t.CancelDeliveriesRequest, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "POST", path`/v1/webhooks/${webhook}/deliveries/cancel`, { ...options, body });
  }
}

/** Work that goes on after the call that began it. */
export class Jobs extends Resource {
  list(query?: t.ListJobsQuery): Pages<t.Job> {
    return new Pages(this.http, "/v1/jobs", "jobs", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "GET", path`/v1/jobs/${id}`, options);
  }

  /** Asks every second until the job has ended. */
  async wait(id: string, options?: CallOptions): Promise<t.Job> {
    let job = await this.get(id, options);
    while (job.ended_at === null) {
      await sleep(1_000, options?.signal);
      job = await this.get(id, options);
    }
    return job;
  }

  async cancel(id: string, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "POST", path`/v1/jobs/${id}/cancel`, { ...options, body: {} });
  }
}

/** Statistics of the tenant's attempts; those of one webhook are {@link Webhooks.stats}. */
export class StatsOfAll extends Resource {
  async get(query?: t.GetStatsQuery, options?: CallOptions): Promise<t.Stats> {
    return this.http.one<t.Stats>("stats", "GET", "/v1/stats", { ...options, query });
  }
}

/** Who changed what. */
export class Audit extends Resource {
  list(query?: t.ListAuditQuery): Pages<t.AuditEntry> {
    return new Pages(this.http, "/v1/audit", "entries", query);
  }
}

/** Messages that no function could handle. Needs an operator's key. */
export class DeadLetters extends Resource {
  /** A sample, and how many there are. */
  async list(query?: t.ListDeadLettersQuery, options?: CallOptions): Promise<{ dead_letters: t.DeadLetter[]; counts: Record<string, number> }> {
    return this.http.call(["dead_letters", "counts"], "GET", "/v1/dead-letters", { ...options, query });
  }

  /** Sends them again. */
  async redrive(body: t.RedriveDeadLettersRequest = {}, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "POST", "/v1/dead-letters/redrive", { ...options, body });
  }
}

/** What one request of an import may have; Rung takes 4 MiB. */
const IMPORT_BYTES = 4_000_000;

/** Tenants with their webhooks, keys and event types, to take elsewhere. Needs an operator's key. */
export class Exports extends Resource {
  /** Starts an export. Read its {@link Exports.output} when the job has succeeded. */
  async create(body: t.CreateExportRequest = {}, options?: CallOptions): Promise<t.Job> {
    return this.http.one<t.Job>("job", "POST", "/v1/exports", { ...options, body });
  }

  /** The lines of an export, each of them JSON. */
  async *output(job: string, options?: CallOptions): AsyncGenerator<string, void, undefined> {
    let cursor: string | undefined;
    do {
      const answer = await this.http.send("GET", path`/v1/jobs/${job}/output`, { ...options, query: { cursor } });
      if (answer.status !== 200) throw errorOf(answer);
      yield* answer.body.split("\n").filter((line) => line !== "");
      const next = /<([^>]*)>; *rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
      cursor = next === undefined ? undefined : (new URL(next, "http://rung").searchParams.get("cursor") ?? undefined);
    } while (cursor !== undefined);
  }

  /** Takes in the lines of an export, in as many requests as it needs, and returns one result per line: look at each `error`. */
  async import(lines: Iterable<string> | AsyncIterable<string>, options?: CallOptions): Promise<t.ImportResult[]> {
    const results: t.ImportResult[] = [];
    let part: string[] = [];
    let bytes = 0;
    for await (const line of lines) {
      const size = new TextEncoder().encode(line).length + 1;
      if (bytes + size > IMPORT_BYTES) {
        results.push(...(await this.#import(part, options)));
        [part, bytes] = [[], 0];
      }
      part.push(line);
      bytes += size;
    }
    results.push(...(await this.#import(part, options)));
    return results.map((result, index) => ({ ...result, line: index + 1 }));
  }

  /** Repeats the call from the line that Rung had no time for. */
  async #import(lines: string[], options?: CallOptions): Promise<t.ImportResult[]> {
    if (lines.length === 0) return [];
    const request = { ...options, body: lines.join("\n"), headers: { ...options?.headers, "content-type": "application/x-ndjson" } };
    const answer = await this.http.send("POST", "/v1/import", request);
    // Where all of these lines were refused, the results are beside the error.
    const data = parse(answer.body)["data"];
    if (!isObject(data) || !Array.isArray(data["results"]) || data["next_line"] === undefined || answer.status >= 500) throw errorOf(answer);
    const { results, next_line } = data as { results: t.ImportResult[]; next_line: number | null };
    return next_line === null ? results : [...results, ...(await this.#import(lines.slice(next_line - 1), options))];
  }
}
