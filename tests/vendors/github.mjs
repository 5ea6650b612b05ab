// A receiver of GitHub's webhooks with the library of GitHub's own Octokit.
import { verify } from '@octokit/webhooks-methods';
import { judge } from '../verify/cases.mjs';

await judge(({ headers, raw, secret }) =>
  verify(secret, raw.toString('utf8'), headers['x-hub-signature-256']));
