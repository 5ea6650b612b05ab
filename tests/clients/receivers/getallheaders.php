<?php
// A receiver of odin's webhooks as its document has it, behind `php -S`: getallheaders() tells names apart by case.
$headers = getallheaders();
$body = file_get_contents('php://input');
$accepted = false;
if (preg_match('/^t=(\d+),v1=([0-9a-f]{64})$/', $headers['X-Odin-Signature'] ?? '', $parts)) {
    $expected = hash_hmac('sha256', $parts[1] . '.' . $body, getenv('WEBHOOK_SECRET'));
    $accepted = hash_equals($expected, $parts[2]) && abs(time() - (int) $parts[1]) <= 300;
}
http_response_code($accepted ? 200 : 401);
