// Runs one receiver's check over deliveries that arrived: a JSON list of {headers, body, secret} on standard input (the body
// in base64), a JSON list of booleans on standard output. A check that throws would be a 500 to the sender: not accepted.
import { readFileSync } from 'node:fs';

export async function judge(accepts) {
  const verdicts = [];
  for (const { headers, body, secret } of JSON.parse(readFileSync(0, 'utf8'))) {
    try {
      verdicts.push(await accepts({ headers, raw: Buffer.from(body, 'base64'), secret }));
    } catch {
      verdicts.push(false);
    }
  }
  process.stdout.write(JSON.stringify(verdicts));
}
