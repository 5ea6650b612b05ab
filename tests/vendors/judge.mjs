// Asks each vendor's receiver about its requests: a JSON list of {vendor, url, headers, body, secret, public, tenant, now} on standard
// input, a JSON list on standard output: whether the request is taken, or why nobody can say. A receiver that throws would answer 500, which
// is no; WHY=1 shows what it throws. Receivers' clocks are at the request's `now`, in seconds.
import { readFileSync } from "node:fs";

export async function judge(receivers) {
  let nowMs = 0;
  globalThis.Date = class extends Date {
    constructor(...given) {
      super(...(given.length === 0 ? [nowMs] : given));
    }
    static now() {
      return nowMs;
    }
  };
  const requests = JSON.parse(readFileSync(0, "utf8"));
  const verdicts = [];
  for (const request of requests) {
    const receiver = receivers[request.vendor];
    nowMs = request.now * 1000;
    try {
      verdicts.push(receiver ? await receiver(request, request.headers) : `nobody receives what ${request.vendor} sends`);
    } catch (error) {
      verdicts.push(process.env.WHY ? `${error.stack}` : false);
    }
  }
  process.stdout.write(JSON.stringify(verdicts));
}
