variable "name" {
  description = "The stack's name, with which the names of everything in it begin."
  type        = string
  default     = "rung"
}

variable "release" {
  description = "The folder with the files of a release."
  type        = string
}

variable "bucket" {
  description = "The name of a bucket of yours in the stack's region, for the template and the functions' code."
  type        = string
}

variable "dialects" {
  description = "A zip of your own dialect files and certificates, which the functions see in /opt, in place of the empty one of the release."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the stack and of what is in it."
  type        = map(string)
  default     = {}
}

variable "retention_days" {
  description = "How long events, deliveries, logs and ids are kept. At least 7 days more than the longest ladder, else the functions refuse to start."
  type        = number
  default     = null
}

variable "strict_urls" {
  description = "Webhooks on HTTPS and public addresses only, checked at every connect. \"false\" is for trying things out."
  type        = bool
  default     = null
}

variable "dialect_files" {
  description = "Your own dialect files as the functions see them, separated by colons. The folder dialects/ of this tree is /opt there, so /opt/acme.toml."
  type        = string
  default     = null
}

variable "ca_files" {
  description = "PEM files of certificates to trust besides the public authorities, as the functions see them, separated by colons. They are in the folder dialects/ too, so /opt/acme.pem."
  type        = string
  default     = null
}

variable "event_bus" {
  description = "An EventBridge bus whose events with the detail-type \"Rung Event\" are published too; \"default\" is the account's own. Who may put events on it may publish for every tenant. Emptying it deletes the queue of its dead letters with what is in it, so drain that first."
  type        = string
  default     = null
}

variable "event_queue" {
  description = "on makes an SQS queue whose messages are published too. Who may send to it may publish for every tenant. off deletes the queue and that of its dead letters with what is in them, so drain them first."
  type        = string
  default     = null
}

variable "event_queue_topics" {
  description = "With EventQueue=on, SNS topics that may send to the queue, separated by commas. Subscribe it with raw message delivery."
  type        = list(string)
  default     = null
}

variable "event_queue_senders" {
  description = "With EventQueue=on, other accounts, roles or users that may send to the queue, separated by commas. Those of this account need no more than their own right to send."
  type        = list(string)
  default     = null
}

variable "event_queue_concurrency" {
  description = "With EventQueue=on, most invocations at a time for its messages, ten messages each. What is above PublishConcurrency, if that reserves some, finds no room."
  type        = number
  default     = null
}

variable "kms_key_arn" {
  description = "Your own KMS key for the table, the queues, the secrets and the logs, instead of AWS's. Its policy must let services use it; docs/operate.md has it."
  type        = string
  default     = null
}

variable "egress" {
  description = "dynamic - from Lambda's changing addresses. vpc - from your own subnets, behind a NAT whose addresses customers can allow-list."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "With Egress=vpc, private subnets whose default route is a NAT, separated by commas."
  type        = list(string)
  default     = null
}

variable "security_group_ids" {
  description = "With Egress=vpc, security groups that let HTTPS out, separated by commas."
  type        = list(string)
  default     = null
}

variable "egress_ips" {
  description = "The NAT's addresses, separated by commas, as GET /v1/egress-ips shows them."
  type        = string
  default     = null
}

variable "egress_proxy" {
  description = "The proxy that all deliveries go through (HTTP CONNECT), if your network demands one. It then decides which addresses are reached."
  type        = string
  default     = null
}

variable "public_url" {
  description = "Where browsers reach the API, such as https://webhooks.example.com, for the links of the portal. Empty, a portal link has a token and no URL."
  type        = string
  default     = null
}

variable "portal" {
  description = "How the portal looks and who may frame it, as JSON such as {\"name\":\"Acme\",\"frame_ancestors\":[\"https://app.example.com\"]}; docs/portal.md lists the members."
  type        = string
  default     = null
}

variable "deliveries" {
  description = "off stops deliveries and sweeps. What is published waits in the queue, for 7 days."
  type        = string
  default     = null
}

variable "deliver_concurrency" {
  description = "Most invocations at a time for first attempts. Together with RetryConcurrency well below the account's limit, which every function here shares."
  type        = number
  default     = null
}

variable "retry_concurrency" {
  description = "Most invocations at a time for later attempts."
  type        = number
  default     = null
}

variable "batch_size" {
  description = "Most messages of one invocation, all posted at once. More than 10 needs a BatchWindowSeconds of 1 or more, and 100 of the largest bodies 200 MB of DeliverMemory."
  type        = number
  default     = null
}

variable "batch_window_seconds" {
  description = "How long to gather a batch. More than 0 saves invocations when there is little to do, and makes deliveries later by as much."
  type        = number
  default     = null
}

variable "api_rate" {
  description = "Requests per second that the API takes before it answers 429."
  type        = number
  default     = null
}

variable "api_burst" {
  description = "Requests at once that the API takes before it answers 429."
  type        = number
  default     = null
}

variable "tenant_rate" {
  description = "Events per second that one tenant may publish before it gets 429, at least 100, so that none takes all of ApiRate. 0 sets no limit."
  type        = number
  default     = null
}

variable "publish_concurrency" {
  description = "Invocations at a time that are reserved for publishing. Nothing else takes them, and publishing takes no more. 0 reserves none."
  type        = number
  default     = null
}

variable "architecture" {
  description = "The functions' processors. Build for the same."
  type        = string
  default     = null
}

variable "subscriptions_memory" {
  description = "Memory of subscriptions in MB; its share of a processor grows with it."
  type        = number
  default     = null
}

variable "enqueue_memory" {
  description = "Memory of enqueue in MB."
  type        = number
  default     = null
}

variable "deliver_memory" {
  description = "Memory of deliver in MB."
  type        = number
  default     = null
}

variable "sweep_memory" {
  description = "Memory of sweep in MB."
  type        = number
  default     = null
}

variable "warm_read_units" {
  description = "Read units a second that the table and its indexes are kept ready for, at least 12000, with WarmWriteUnits. 0 leaves it to DynamoDB. It can be raised, never lowered."
  type        = number
  default     = null
}

variable "warm_write_units" {
  description = "Write units a second that the table and its indexes are kept ready for, at least 4000, with WarmReadUnits. 0 leaves it to DynamoDB. It can be raised, never lowered."
  type        = number
  default     = null
}

variable "alarm_topic_arn" {
  description = "An SNS topic that hears of alarms. Without one they only show in CloudWatch."
  type        = string
  default     = null
}

variable "operator_topic_arn" {
  description = "A standard SNS topic that hears of webhooks that fail, recover or are disabled, and of deliveries given up. docs/operator-events.md tells what."
  type        = string
  default     = null
}

variable "webhooks_per_tenant" {
  description = "How many webhooks a tenant may have."
  type        = number
  default     = null
}

variable "metric_tenants" {
  description = "How many tenants have metrics of their own; those beyond count together as \"other\". CloudWatch charges for each metric."
  type        = number
  default     = null
}

variable "log_retention_days" {
  description = "How long the functions' own logs are kept. They hold no payloads, secrets or keys."
  type        = number
  default     = null
}

variable "tracing" {
  description = "Active samples invocations into X-Ray."
  type        = string
  default     = null
}

variable "cors_origins" {
  description = "Origins whose pages may call the API. It knows keys in a header and no cookies. The dashboard that comes along has the API's own origin."
  type        = list(string)
  default     = null
}

variable "permissions_boundary" {
  description = "A policy that bounds what the stack's roles may do, where your account asks for one."
  type        = string
  default     = null
}

variable "table_protection" {
  description = "Whether the table refuses to be deleted, and with it this stack."
  type        = bool
  default     = null
}
