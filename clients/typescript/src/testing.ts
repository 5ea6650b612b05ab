import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Received } from "./verify.js";

/** A request that a {@link Receiver} got. */
export class Delivery implements Received {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;

  constructor(headers: Delivery["headers"], body: Buffer) {
    this.headers = headers;
    this.body = body;
  }

  /** The body, parsed and not verified. */
  json(): unknown {
    return JSON.parse(this.body.toString());
  }
}

/** What a {@link Receiver} answers: a status, or one per delivery. */
export type Respond = number | ((delivery: Delivery) => number);

/** A receiver for tests: a server on 127.0.0.1 that keeps what it gets. */
export class Receiver {
  readonly #server: Server;
  readonly #unread: Promise<Delivery>[] = [];
  readonly #waiting: ((delivery: Promise<Delivery>) => void)[] = [];

  private constructor(respond: Respond) {
    this.#server = createServer(async (request, response) => {
      const body = await bodyOf(request).catch(() => undefined);
      // The sender has gone in the middle: nothing has arrived, and nobody waits for an answer.
      if (body === undefined) return;
      const delivery = new Delivery(request.headers, body);
      let arrived: Promise<Delivery> = Promise.resolve(delivery);
      try {
        response.writeHead(typeof respond === "number" ? respond : respond(delivery)).end();
      } catch (error) {
        response.writeHead(500).end();
        arrived = Promise.reject(error);
        // Whoever asks for it sees it; nobody has to.
        arrived.catch(() => {});
      }
      const next = this.#waiting.shift();
      if (next) next(arrived);
      else this.#unread.push(arrived);
    });
  }

  /** Starts one on a free port. It answers 200 unless told otherwise. */
  static async start(respond: Respond = 200): Promise<Receiver> {
    const receiver = new Receiver(respond);
    await once(receiver.#server.listen(0, "127.0.0.1"), "listening");
    return receiver;
  }

  /** What to make a webhook with. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** The next delivery, in the order of arrival. Fails after `timeoutMs`, 10,000 by default, and with what the function threw that was to answer it. */
  async next({ timeoutMs = 10_000 } = {}): Promise<Delivery> {
    const unread = this.#unread.shift();
    if (unread) return unread;
    return new Promise((resolve, reject) => {
      const arrived = (delivery: Promise<Delivery>) => {
        clearTimeout(timer);
        resolve(delivery);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(arrived), 1);
        reject(new Error(`no delivery within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.push(arrived);
    });
  }

  /** Stops the server. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
