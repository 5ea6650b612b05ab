// Runs a snippet over deliveries, one a line: secret, body, what the receiver knows of the URL, then names and values of headers, each in base64; true or false for each.
import { readFileSync } from 'node:fs';
import { verify } from './webhooks.mjs';

for (const line of readFileSync(0, 'utf8').trimEnd().split('\n')) {
  const [secret, body, given, ...fields] = line.split(' ').map((field) => Buffer.from(field, 'base64'));
  const headers = {};
  for (let i = 0; i < fields.length; i += 2) headers[fields[i].toString()] = fields[i + 1].toString();
  console.log(verify(headers, body, secret.toString(), given.toString()));
}
