locals {
  parameters = {
    RetentionDays         = var.retention_days
    StrictUrls            = var.strict_urls
    DialectFiles          = var.dialect_files
    CaFiles               = var.ca_files
    EventBus              = var.event_bus
    EventQueue            = var.event_queue
    EventQueueTopics      = var.event_queue_topics == null ? null : join(",", var.event_queue_topics)
    EventQueueSenders     = var.event_queue_senders == null ? null : join(",", var.event_queue_senders)
    EventQueueConcurrency = var.event_queue_concurrency
    KmsKeyArn             = var.kms_key_arn
    Egress                = var.egress
    SubnetIds             = var.subnet_ids == null ? null : join(",", var.subnet_ids)
    SecurityGroupIds      = var.security_group_ids == null ? null : join(",", var.security_group_ids)
    EgressIps             = var.egress_ips
    EgressProxy           = var.egress_proxy
    PublicUrl             = var.public_url
    Portal                = var.portal
    Deliveries            = var.deliveries
    DeliverConcurrency    = var.deliver_concurrency
    RetryConcurrency      = var.retry_concurrency
    BatchSize             = var.batch_size
    BatchWindowSeconds    = var.batch_window_seconds
    ApiRate               = var.api_rate
    ApiBurst              = var.api_burst
    TenantRate            = var.tenant_rate
    PublishConcurrency    = var.publish_concurrency
    Architecture          = var.architecture
    SubscriptionsMemory   = var.subscriptions_memory
    EnqueueMemory         = var.enqueue_memory
    DeliverMemory         = var.deliver_memory
    SweepMemory           = var.sweep_memory
    WarmReadUnits         = var.warm_read_units
    WarmWriteUnits        = var.warm_write_units
    AlarmTopicArn         = var.alarm_topic_arn
    OperatorTopicArn      = var.operator_topic_arn
    WebhooksPerTenant     = var.webhooks_per_tenant
    MetricTenants         = var.metric_tenants
    LogRetentionDays      = var.log_retention_days
    Tracing               = var.tracing
    CorsOrigins           = var.cors_origins == null ? null : join(",", var.cors_origins)
    PermissionsBoundary   = var.permissions_boundary
    TableProtection       = var.table_protection
  }
}
