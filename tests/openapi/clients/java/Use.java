import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.DeliveriesApi;
import org.openapitools.client.api.EventsApi;
import org.openapitools.client.api.TenantsApi;
import org.openapitools.client.api.WebhooksApi;
import org.openapitools.client.model.CreateKeyRequest;
import org.openapitools.client.model.CreateTenantRequest;
import org.openapitools.client.model.CreateWebhookRequest;
import org.openapitools.client.model.ListedEvent;
import org.openapitools.client.model.PublishEventRequest;
import org.openapitools.client.model.TestWebhookRequest;

/** The client that openapi-generator has generated for Java, against a running Rung: the arguments are its URL and the operator's key. */
public class Use {
    static ApiClient client(String url, String key) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(url);
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
        return client;
    }

    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        TenantsApi tenants = new TenantsApi(client(url, arguments[1]));
        var tenant = tenants.createTenant(new CreateTenantRequest().id("java").name("Java"), null).getData().getTenant();
        check(tenant.getId().equals("java"), tenant);
        var key = tenants.createKey("java", new CreateKeyRequest().scopes(List.of("manage", "publish")), null).getData().getKey();
        ApiClient own = client(url, key.getKey());
        WebhooksApi webhooks = new WebhooksApi(own);
        EventsApi events = new EventsApi(own);

        // The secret is shown once: the answer must arrive.
        var body = new CreateWebhookRequest().url(java.net.URI.create("http://127.0.0.1:9/")).events(List.of("order.paid")).metadata(Map.of("a", 1));
        var webhook = webhooks.createWebhook(body, null, null).getData().getWebhook();
        check(webhook.getSecret().startsWith("whsec_"), webhook);
        check(webhook.getMetadata().equals(Map.of("a", 1)), webhook);
        check(webhooks.getWebhook(webhook.getId(), null, null).getData().getWebhook().getStatus().equals("active"), webhook);

        for (int number = 0; number < 3; number++) {
            var event = new PublishEventRequest().type("order.paid").data(Map.of("n", number));
            var published = events.publishEvent(event, null, null, null, null).getData();
            check(published.getDeliveries() == 1, published);
        }
        var log = webhooks.testWebhook(webhook.getId(), null, null, new TestWebhookRequest()).getData().getLog();
        check(log.getStatus().equals("failed") && log.getErrorCode().equals("refused"), log);
        var logs = new DeliveriesApi(own)
            .listLogs(webhook.getId(), null, null, null, null, null, null, null, null, null, null, "test", null, null)
            .getData()
            .getLogs();
        check(logs.size() == 1 && logs.get(0).getId().equals(log.getId()), logs);

        Set<String> seen = new HashSet<>();
        String cursor = null;
        do {
            var page = events.listEvents(null, 2, cursor, null, null, null, null).getData();
            for (ListedEvent event : page.getEvents()) seen.add(event.getId());
            cursor = page.getNextCursor();
        } while (cursor != null);
        check(seen.size() == 3, seen);

        try {
            webhooks.createWebhook(new CreateWebhookRequest().url(java.net.URI.create("nowhere")).events(List.of("order.paid")), null, null);
            throw new AssertionError("a wrong URL was taken");
        } catch (ApiException refused) {
            check(refused.getCode() == 422, refused);
            JsonNode error = new ObjectMapper().readTree(refused.getResponseBody()).get("error");
            check(error.get("code").asText().equals("invalid_request"), error);
            check(error.get("details").get(0).get("field").asText().equals("url"), error);
        }
    }
}
