<?php

// Whether a delivery that a key pair has signed (v1a of Standard Webhooks) is genuine. $headers have names in lower case, as
// array_change_key_case(getallheaders()) has them; $body is the raw body, file_get_contents('php://input'); $publicKey is the webhook's
// public_key, whpk_…. PHP 8 with sodium.
function verify(array $headers, string $body, string $publicKey): bool
{
    $id = $headers['webhook-id'] ?? '';
    $timestamp = $headers['webhook-timestamp'] ?? '';
    if (!preg_match('/^[0-9]+$/D', $timestamp) || abs(time() - (int) $timestamp) > 300) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whpk_/', '', $publicKey));
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $given) {
        [$version, $signature] = explode(',', $given, 2) + [1 => ''];
        $signature = base64_decode($signature, true);
        if ($version !== 'v1a' || $signature === false || strlen($signature) !== SODIUM_CRYPTO_SIGN_BYTES) {
            continue;
        }
        if (sodium_crypto_sign_verify_detached($signature, "$id.$timestamp.$body", $key)) {
            return true;
        }
    }
    return false;
}
