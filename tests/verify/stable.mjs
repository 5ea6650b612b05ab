// Says of each pair {published, body}: does JavaScript write the body as it stands, and does it hold the published data?
// `body` is base64; `member` names where the envelope keeps the data, or is null where its members lie flat in the envelope.
import { readFileSync } from 'node:fs';

const verdicts = JSON.parse(readFileSync(0, 'utf8')).map(({ published, body, member }) => {
  const text = Buffer.from(body, 'base64').toString('utf8');
  const parsed = JSON.parse(text);
  const wanted = JSON.parse(published);
  const same = member === null
    ? Object.keys(wanted).every((key) => JSON.stringify(parsed[key]) === JSON.stringify(wanted[key]))
    : JSON.stringify(parsed[member]) === JSON.stringify(wanted);
  return { stable: JSON.stringify(parsed) === text, same };
});
process.stdout.write(JSON.stringify(verdicts));
