// Verifies an Ed25519 signature with a public key of Standard Webhooks (`whpk_` and base64), and one over something else.
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const { public_key, signature, signed } = JSON.parse(readFileSync(0, 'utf8'));
const x = Buffer.from(public_key.replace('whpk_', ''), 'base64').toString('base64url');
const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
const accepts = (text) => verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
process.stdout.write(JSON.stringify({ signed: accepts(signed), changed: accepts(`${signed} `) }));
