import type { Http } from "./http.js";

/** A page of a list. */
export interface Page<T> {
  items: T[];
  /** Where the next page starts; null at the end. */
  nextCursor: string | null;
}

/** A list. Iterating reads page after page; {@link Pages.page} reads one. */
export class Pages<T> implements AsyncIterable<T> {
  readonly #http: Http;
  readonly #path: string;
  readonly #member: string;
  readonly #query: object;

  constructor(http: Http, path: string, member: string, query: object = {}) {
    this.#http = http;
    this.#path = path;
    this.#member = member;
    this.#query = query;
  }

  /** One page: the first, or the one at `cursor`. */
  async page(cursor?: string): Promise<Page<T>> {
    const query = cursor === undefined ? this.#query : { ...this.#query, cursor };
    const data = await this.#http.call<Record<string, unknown>>([this.#member, "next_cursor"], "GET", this.#path, { query });
    return { items: data[this.#member] as T[], nextCursor: data["next_cursor"] as string | null };
  }

  /** Page by page. */
  async *pages(): AsyncGenerator<Page<T>, void, undefined> {
    let page = await this.page();
    yield page;
    while (page.nextCursor !== null) {
      page = await this.page(page.nextCursor);
      yield page;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const page of this.pages()) yield* page.items;
  }
}
