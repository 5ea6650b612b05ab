import { type CallOptions, errorOf, type Http, parse, path, sleep } from "./http.js";
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
    return (await this.http.call<{ tenant: t.Tenant }>("POST", "/v1/tenants", { ...options, body })).tenant;
  }

  /** Creates or replaces. */
  async put(id: string, body: t.PutTenantRequest, { recover, ...options }: CallOptions & { recover?: boolean } = {}): Promise<PutTenant> {
    return this.http.call("PUT", path`/v1/tenants/${id}`, { ...options, query: { recover }, body });
  }

  list(query?: t.ListTenantsQuery): Pages<t.Tenant> {
    return new Pages(this.http, "/v1/tenants", "tenants", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Tenant> {
    return (await this.http.call<{ tenant: t.Tenant }>("GET", path`/v1/tenants/${id}`, options)).tenant;
  }

  /** Changes what is named (RFC 7396). */
  async update(id: string, body: t.UpdateTenantRequest, { recover, ...options }: CallOptions & { recover?: boolean } = {}): Promise<PutTenant> {
    return this.http.call("PATCH", path`/v1/tenants/${id}`, { ...options, query: { recover }, body });
  }

  /** Deletes the tenant and erases what it has; the job shows how far that is. */
  async delete(id: string, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("DELETE", path`/v1/tenants/${id}`, options)).job;
  }
}

/** Keys of tenants. Needs an operator's key. */
export class TenantKeys extends Resource {
  /** `key`, the key itself, is answered once. */
  async create(tenant: string, body: t.CreateKeyRequest, options?: CallOptions): Promise<t.Key> {
    return (await this.http.call<{ key: t.Key }>("POST", path`/v1/tenants/${tenant}/keys`, { ...options, body })).key;
  }

  list(tenant: string, query?: t.ListKeysQuery): Pages<t.Key> {
    return new Pages(this.http, path`/v1/tenants/${tenant}/keys`, "keys", query);
  }

  async get(tenant: string, id: string, options?: CallOptions): Promise<t.Key> {
    return (await this.http.call<{ key: t.Key }>("GET", path`/v1/tenants/${tenant}/keys/${id}`, options)).key;
  }

  async update(tenant: string, id: string, body: t.UpdateKeyRequest, options?: CallOptions): Promise<t.Key> {
    return (await this.http.call<{ key: t.Key }>("PATCH", path`/v1/tenants/${tenant}/keys/${id}`, { ...options, body })).key;
  }

  async delete(tenant: string, id: string, options?: CallOptions): Promise<Deleted> {
    return (await this.http.call<{ key: Deleted }>("DELETE", path`/v1/tenants/${tenant}/keys/${id}`, options)).key;
  }
}

/** The operator's own keys. */
export class Keys extends Resource {
  /** `key`, the key itself, is answered once. */
  async create(body: t.CreateOperatorKeyRequest, options?: CallOptions): Promise<t.Key> {
    return (await this.http.call<{ key: t.Key }>("POST", "/v1/keys", { ...options, body })).key;
  }

  list(query?: t.ListOperatorKeysQuery): Pages<t.Key> {
    return new Pages(this.http, "/v1/keys", "keys", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Key> {
    return (await this.http.call<{ key: t.Key }>("GET", path`/v1/keys/${id}`, options)).key;
  }

  async update(id: string, body: t.UpdateOperatorKeyRequest, options?: CallOptions): Promise<t.Key> {
    return (await this.http.call<{ key: t.Key }>("PATCH", path`/v1/keys/${id}`, { ...options, body })).key;
  }

  async delete(id: string, options?: CallOptions): Promise<Deleted> {
    return (await this.http.call<{ key: Deleted }>("DELETE", path`/v1/keys/${id}`, options)).key;
  }
}

/** Links with which a tenant's people see their webhooks. Needs an operator's key. */
export class PortalLinks extends Resource {
  /** `url` and `token` are answered once. */
  async create(tenant: string, body: t.CreatePortalLinkRequest = {}, options?: CallOptions): Promise<t.PortalLink> {
    return (await this.http.call<{ portal_link: t.PortalLink }>("POST", path`/v1/tenants/${tenant}/portal-links`, { ...options, body })).portal_link;
  }

  list(tenant: string, query?: t.ListPortalLinksQuery): Pages<t.PortalLink> {
    return new Pages(this.http, path`/v1/tenants/${tenant}/portal-links`, "portal_links", query);
  }

  async delete(tenant: string, id: string, options?: CallOptions): Promise<Deleted> {
    return (await this.http.call<{ portal_link: Deleted }>("DELETE", path`/v1/tenants/${tenant}/portal-links/${id}`, options)).portal_link;
  }

  async deleteAll(tenant: string, options?: CallOptions): Promise<void> {
    await this.http.call("DELETE", path`/v1/tenants/${tenant}/portal-links`, options);
  }
}

/** Endpoints of a tenant. */
export class Webhooks extends Resource {
  /** `secret` is answered here and at a rotation only. */
  async create(body: t.CreateWebhookRequest, options?: CallOptions): Promise<t.Webhook> {
    return (await this.http.call<{ webhook: t.Webhook }>("POST", "/v1/webhooks", { ...options, body })).webhook;
  }

  /** Imports or replaces, with secrets and all. Needs an operator's key. */
  async put(id: string, body: t.PutWebhookRequest, options?: CallOptions): Promise<t.Webhook> {
    return (await this.http.call<{ webhook: t.Webhook }>("PUT", path`/v1/webhooks/${id}`, { ...options, body })).webhook;
  }

  list(query?: t.ListWebhooksQuery): Pages<t.Webhook> {
    return new Pages(this.http, "/v1/webhooks", "webhooks", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Webhook> {
    return (await this.http.call<{ webhook: t.Webhook }>("GET", path`/v1/webhooks/${id}`, options)).webhook;
  }

  /** Changes what is named (RFC 7396). */
  async update(id: string, body: t.UpdateWebhookRequest, options?: CallOptions): Promise<t.Webhook> {
    return (await this.http.call<{ webhook: t.Webhook }>("PATCH", path`/v1/webhooks/${id}`, { ...options, body })).webhook;
  }

  /** Activates a disabled webhook, and starts a job that sends what it missed. */
  async activate(id: string, options?: CallOptions): Promise<{ webhook: t.Webhook; job: t.Job }> {
    return this.http.call("PATCH", path`/v1/webhooks/${id}`, { ...options, body: { status: "active", recover: true } });
  }

  /** Deletes the webhook and erases its log; the job shows how far that is. */
  async delete(id: string, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("DELETE", path`/v1/webhooks/${id}`, options)).job;
  }

  /** The secret in force, and older ones that are still valid. */
  async secret(id: string, options?: CallOptions): Promise<{ secret: string; old_secrets: t.OldSecret[] }> {
    return this.http.call("GET", path`/v1/webhooks/${id}/secret`, options);
  }

  /** Sends a sample event now and answers what came of it. */
  async test(id: string, body: t.TestWebhookRequest = {}, options?: CallOptions): Promise<t.LogEntry> {
    return (await this.http.call<{ log: t.LogEntry }>("POST", path`/v1/webhooks/${id}/test`, { ...options, body })).log;
  }

  /** Examines the receiver: sends it genuine and forged deliveries, and answers what is to be mended. */
  async prove(id: string, body: t.ProveWebhookRequest = {}, options?: CallOptions): Promise<t.ReceiverReport> {
    return (await this.http.call<{ report: t.ReceiverReport }>("POST", path`/v1/webhooks/${id}/prove`, { ...options, body })).report;
  }

  /** Asks the endpoint to echo a token. */
  async verify(id: string, options?: CallOptions): Promise<t.Webhook> {
    return (await this.http.call<{ webhook: t.Webhook }>("POST", path`/v1/webhooks/${id}/verify`, { ...options, body: {} })).webhook;
  }

  /** Answers the webhook with its new `secret`. The old one is valid until `old_secret_expires_at`. */
  async rotateSecret(id: string, body: t.RotateSecretRequest = {}, options?: CallOptions): Promise<t.Webhook> {
    return (await this.http.call<{ webhook: t.Webhook }>("POST", path`/v1/webhooks/${id}/rotate-secret`, { ...options, body })).webhook;
  }

  /** Ends the validity of the old secret now. */
  async finishRotation(id: string, options?: CallOptions): Promise<t.Webhook> {
    return (await this.http.call<{ webhook: t.Webhook }>("POST", path`/v1/webhooks/${id}/rotate-secret/finish`, { ...options, body: {} })).webhook;
  }

  /** Which of the last events a filter takes. */
  async previewFilter(body: t.PreviewFilterRequest, options?: CallOptions): Promise<t.FilterPreview> {
    return this.http.call("POST", "/v1/filter-preview", { ...options, body });
  }

  /** Sends again what did not arrive. */
  async recover(id: string, body: t.RecoverRequest = {}, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("POST", path`/v1/webhooks/${id}/recover`, { ...options, body })).job;
  }

  /** How much {@link Webhooks.recover} would send. */
  async countRecoverable(id: string, body: t.RecoverRequest = {}, options?: CallOptions): Promise<t.RecoveryCount> {
    return this.http.call("POST", path`/v1/webhooks/${id}/recover`, { ...options, body: { ...body, dry_run: true } });
  }

  /** Sends again what did not arrive at any webhook of the tenant. */
  async recoverAll(body: t.RecoverRequest = {}, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("POST", "/v1/recover", { ...options, body })).job;
  }

  async stats(id: string, query?: t.GetWebhookStatsQuery, options?: CallOptions): Promise<t.Stats> {
    return (await this.http.call<{ stats: t.Stats }>("GET", path`/v1/webhooks/${id}/stats`, { ...options, query })).stats;
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
    return (await this.http.call<{ event: t.Event }>("GET", path`/v1/events/${id}`, options)).event;
  }

  /** The event's deliveries, one per webhook. */
  deliveries(id: string, query?: t.GetEventQuery): Pages<t.Delivery> {
    return new Pages(this.http, path`/v1/events/${id}`, "deliveries", query);
  }

  /** Erases the event; the job shows how far that is. */
  async delete(id: string, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("DELETE", path`/v1/events/${id}`, options)).job;
  }
}

/** Types may contain slashes. */
const segments = (type: string) => type.split("/");

/** The catalogue. */
export class EventTypes extends Resource {
  list(query?: t.ListEventTypesQuery): Pages<t.EventType> {
    return new Pages(this.http, "/v1/event-types", "event_types", query);
  }

  async get(type: string, { dialect, ...options }: CallOptions & { dialect?: string } = {}): Promise<t.EventType> {
    return (await this.http.call<{ event_type: t.EventType }>("GET", path`/v1/event-types/${segments(type)}`, { ...options, query: { dialect } })).event_type;
  }

  /** Creates or replaces. An operator's key without a tenant sets it for the deployment's `dialect`. */
  async put(type: string, body: Json, { dialect, ...options }: CallOptions & { dialect?: string } = {}): Promise<t.EventType> {
    return (await this.http.call<{ event_type: t.EventType }>("PUT", path`/v1/event-types/${segments(type)}`, { ...options, query: { dialect }, body })).event_type;
  }

  async delete(type: string, { dialect, ...options }: CallOptions & { dialect?: string } = {}): Promise<Json> {
    return this.http.call("DELETE", path`/v1/event-types/${segments(type)}`, { ...options, query: { dialect } });
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
    return (await this.http.call<{ log: t.LogDetail }>("GET", path`/v1/webhooks/${webhook}/logs/${id}`, options)).log;
  }

  /** Sends that delivery again now. */
  async retry(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return (await this.http.call<{ delivery: t.Delivery }>("POST", path`/v1/webhooks/${webhook}/logs/${id}/retry`, { ...options, body: {} })).delivery;
  }
}

/** Events on their way to a webhook. */
export class Deliveries extends Resource {
  /** Those that wait, or were held, missed, failed or cancelled. */
  list(webhook: string, query?: t.ListDeliveriesQuery): Pages<t.Delivery> {
    return new Pages(this.http, path`/v1/webhooks/${webhook}/deliveries`, "deliveries", query);
  }

  async get(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return (await this.http.call<{ delivery: t.Delivery }>("GET", path`/v1/webhooks/${webhook}/deliveries/${id}`, options)).delivery;
  }

  /** Sends it again now. */
  async retry(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return (await this.http.call<{ delivery: t.Delivery }>("POST", path`/v1/webhooks/${webhook}/deliveries/${id}/retry`, { ...options, body: {} })).delivery;
  }

  async cancel(webhook: string, id: string, options?: CallOptions): Promise<t.Delivery> {
    return (await this.http.call<{ delivery: t.Delivery }>("POST", path`/v1/webhooks/${webhook}/deliveries/${id}/cancel`, { ...options, body: {} })).delivery;
  }

  /** Cancels all of these statuses; the job shows how far that is. */
  async cancelAll(webhook: string, body: t.CancelDeliveriesRequest, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("POST", path`/v1/webhooks/${webhook}/deliveries/cancel`, { ...options, body })).job;
  }
}

/** Work that goes on after the call that began it. */
export class Jobs extends Resource {
  list(query?: t.ListJobsQuery): Pages<t.Job> {
    return new Pages(this.http, "/v1/jobs", "jobs", query);
  }

  async get(id: string, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("GET", path`/v1/jobs/${id}`, options)).job;
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
    return (await this.http.call<{ job: t.Job }>("POST", path`/v1/jobs/${id}/cancel`, { ...options, body: {} })).job;
  }
}

/** Statistics of the tenant's attempts; those of one webhook are {@link Webhooks.stats}. */
export class StatsOfAll extends Resource {
  async get(query?: t.GetStatsQuery, options?: CallOptions): Promise<t.Stats> {
    return (await this.http.call<{ stats: t.Stats }>("GET", "/v1/stats", { ...options, query })).stats;
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
    return this.http.call("GET", "/v1/dead-letters", { ...options, query });
  }

  /** Sends them again. */
  async redrive(body: t.RedriveDeadLettersRequest = {}, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("POST", "/v1/dead-letters/redrive", { ...options, body })).job;
  }
}

/** What one request of an import may have; Rung takes 4 MiB. */
const IMPORT_BYTES = 4_000_000;

/** Tenants with their webhooks, keys and event types, to take elsewhere. Needs an operator's key. */
export class Exports extends Resource {
  /** Starts an export. Read its {@link Exports.output} when the job has succeeded. */
  async create(body: t.CreateExportRequest = {}, options?: CallOptions): Promise<t.Job> {
    return (await this.http.call<{ job: t.Job }>("POST", "/v1/exports", { ...options, body })).job;
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
    const data = parse(answer.body)?.data as { results?: t.ImportResult[]; next_line: number | null } | undefined;
    if (data?.results === undefined || answer.status >= 500) throw errorOf(answer);
    const { results, next_line } = data;
    return next_line === null ? results : [...results, ...(await this.#import(lines.slice(next_line - 1), options))];
  }
}
