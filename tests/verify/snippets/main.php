<?php

// Runs a snippet over deliveries, one a line: secret, body, what the receiver knows of the URL, then names and values of headers, each in base64; true or false for each.
require __DIR__ . '/webhooks.php';

while (($line = fgets(STDIN)) !== false) {
    $fields = array_map('base64_decode', explode(' ', rtrim($line)));
    $secret = array_shift($fields);
    $body = array_shift($fields);
    $given = array_shift($fields);
    $headers = [];
    foreach (array_chunk($fields, 2) as [$name, $value]) {
        $headers[$name] = $value;
    }
    echo verify($headers, $body, $secret, $given) ? 'true' : 'false', "\n";
}
