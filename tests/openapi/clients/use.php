<?php
// The client that openapi-generator has generated for PHP, against a running Rung: the arguments are its folder, Rung's URL and the operator's key.
declare(strict_types=1);

use OpenAPI\Client\Api\{DeliveriesApi, EventsApi, TenantsApi, WebhooksApi};
use OpenAPI\Client\{ApiException, Configuration};
use OpenAPI\Client\Model\{CreateKeyRequest, CreateTenantRequest, CreateWebhookRequest, PublishEventRequest, TestWebhookRequest};

[, $folder, $url, $key] = $argv;
require 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $name) use ($folder): void {
    $file = $folder . '/lib/' . strtr(substr($name, strlen('OpenAPI\Client\\')), '\\', '/') . '.php';
    if (str_starts_with($name, 'OpenAPI\Client\\') && is_file($file)) {
        require $file;
    }
});

function check(bool $holds, mixed $what): void
{
    $holds || throw new Exception(print_r($what, true));
}

function client(string $key): Configuration
{
    return (new Configuration())->setHost($GLOBALS['url'])->setAccessToken($key);
}

$tenants = new TenantsApi(null, client($key));
$tenant = $tenants->createTenant(new CreateTenantRequest(['id' => 'php', 'name' => 'PHP']))->getData()->getTenant();
check($tenant->getId() === 'php', $tenant);
$made = $tenants->createKey('php', new CreateKeyRequest(['scopes' => ['manage', 'publish']]))->getData()->getKey();
$own = client($made->getKey());
$webhooks = new WebhooksApi(null, $own);
$events = new EventsApi(null, $own);

// The secret is shown once: the answer must arrive.
$body = new CreateWebhookRequest(['url' => 'http://127.0.0.1:9/', 'events' => ['order.paid'], 'metadata' => ['a' => 1]]);
$webhook = $webhooks->createWebhook($body)->getData()->getWebhook();
check(str_starts_with($webhook->getSecret(), 'whsec_'), $webhook);
check((array) $webhook->getMetadata() === ['a' => 1], $webhook);
check($webhooks->getWebhook($webhook->getId())->getData()->getWebhook()->getStatus() === 'active', $webhook);

foreach ([1, 2, 3] as $number) {
    $published = $events->publishEvent(new PublishEventRequest(['type' => 'order.paid', 'data' => ['n' => $number]]))->getData();
    check($published->getDeliveries() === 1, $published);
}
$log = $webhooks->testWebhook($webhook->getId(), test_webhook_request: new TestWebhookRequest())->getData()->getLog();
check([$log->getStatus(), $log->getErrorCode()] === ['failed', 'refused'], $log);
$logs = (new DeliveriesApi(null, $own))->listLogs($webhook->getId(), trigger: 'test')->getData()->getLogs();
check(count($logs) === 1 && $logs[0]->getId() === $log->getId(), $logs);

[$seen, $cursor] = [[], null];
do {
    $page = $events->listEvents(limit: 2, cursor: $cursor)->getData();
    foreach ($page->getEvents() as $event) {
        $seen[$event->getId()] = true;
    }
    $cursor = $page->getNextCursor();
} while ($cursor !== null);
check(count($seen) === 3, $seen);

try {
    $webhooks->createWebhook(new CreateWebhookRequest(['url' => 'nowhere', 'events' => ['order.paid']]));
    check(false, 'a wrong URL was taken');
} catch (ApiException $refused) {
    check($refused->getCode() === 422, $refused);
    $error = $refused->getResponseObject()->getError();
    check($error->getCode() === 'invalid_request' && $error->getDetails()[0]->getField() === 'url', $error);
}
