"""The template: linted, and held to what the linters let pass and what the code relies on."""

import fnmatch
import ipaddress
import json
import os
import re
import subprocess
import sys
import tomllib

import pytest

from policies import TRACES, listed
from template import PATH, ROOT, default, resources, statements, target, transformed, written

NOTHING = {"Ref": "AWS::NoValue"}
FUNCTIONS = {"Subscriptions": "subscriptions", "Enqueue": "enqueue", "Deliver": "deliver", "Sweep": "sweep"}
METRICS = (ROOT / "shared/core/src/metrics.rs").read_text()
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "shared").rglob("*.rs")))


@pytest.mark.parametrize("command", [("cfn-lint", str(PATH)), ("sam", "validate", "--lint", "--template", str(PATH))], ids=lambda it: it[0])
def test_linters_find_nothing(command):
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"}
    tool = os.path.join(os.path.dirname(sys.executable), command[0])
    run = subprocess.run([tool, *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


# ---- Functions


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_built_from_its_own_package(name):
    function = written()["Resources"][name]
    assert function["Properties"]["CodeUri"] == f"functions/{FUNCTIONS[name]}"
    assert function["Metadata"]["BuildMethod"] == "rust-cargolambda"
    manifest = tomllib.loads((ROOT / function["Properties"]["CodeUri"] / "Cargo.toml").read_text())
    assert function["Metadata"]["BuildProperties"]["Binary"] == manifest["package"]["name"] != "bootstrap"
    deploy = manifest["package"]["metadata"]["lambda"]["deploy"]
    assert deploy["memory"] == default(function["Properties"]["MemorySize"])
    assert deploy["timeout"] == function["Properties"]["Timeout"]
    assert deploy["tracing"] == default(written()["Globals"]["Function"]["Tracing"]).lower()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_and_logs_as_meant(name):
    properties = transformed()["Resources"][name]["Properties"]
    assert properties["Runtime"] == "provided.al2023"
    assert properties["Architectures"] == [{"Ref": "Architecture"}]
    assert properties["Handler"] == "bootstrap"
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    group = transformed()["Resources"][target(properties["LoggingConfig"]["LogGroup"])]
    assert group["Properties"]["LogGroupName"] == {"Fn::Sub": "/aws/lambda/" + properties["FunctionName"]["Fn::Sub"]}


def test_functions_are_arm64_and_of_no_reserved_concurrency_unless_asked_otherwise():
    parameters = written()["Parameters"]
    assert (parameters["Architecture"]["Default"], parameters["Architecture"]["AllowedValues"]) == ("arm64", ["arm64", "x86_64"])
    reserved = {name: transformed()["Resources"][name]["Properties"].get("ReservedConcurrentExecutions") for name in FUNCTIONS}
    publishing = {"Fn::If": ["Reserved", {"Ref": "PublishConcurrency"}, NOTHING]}
    assert reserved == dict.fromkeys(FUNCTIONS) | {"Enqueue": publishing}
    assert parameters["PublishConcurrency"]["Default"] == 0


def test_all_logs_expire():
    for name, group in resources("AWS::Logs::LogGroup").items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_functions_are_told_all_that_they_ask_for():
    """Every variable that the code reads is set, and no other."""
    config = ROOT / "shared/core/src/config.rs"
    read = set(re.findall(r'"(RUNG_[A-Z_]+)"', config.read_text())) - {"RUNG_ADMIN_KEY", "RUNG_ENCRYPTION_KEYS"}
    told = {name: set(transformed()["Resources"][name]["Properties"]["Environment"]["Variables"]) for name in FUNCTIONS}
    assert set.union(*told.values()) == read
    assert [name for name in FUNCTIONS if "RUNG_ADMIN_KEY_SECRET" in told[name]] == ["Subscriptions", "Enqueue"]
    assert [name for name in FUNCTIONS if "RUNG_ENCRYPTION_KEYS_SECRET" in told[name]] == ["Subscriptions", "Deliver"]


def test_who_is_told_of_dialect_files_has_them():
    """A function that has the variable without the layer cannot start: it finds no file where the variable says."""
    functions = {name: transformed()["Resources"][name]["Properties"] for name in FUNCTIONS}
    told = {name for name, it in functions.items() if "RUNG_DIALECTS" in it["Environment"]["Variables"]}
    have = {name for name, it in functions.items() if "DialectLayer" in json.dumps(it.get("Layers", []))}
    assert told == have == {"Subscriptions", "Enqueue", "Deliver"}


def test_time_outs_fit_what_calls_the_function():
    timeouts = {name: transformed()["Resources"][name]["Properties"]["Timeout"] for name in FUNCTIONS}
    assert timeouts["Subscriptions"] < 30 and timeouts["Enqueue"] < 30, "an HTTP API waits for 30 s"
    assert timeouts["Sweep"] < 60, "the next one starts after a minute"
    reserve = re.search(r"HANDLER_RESERVE: Duration = Duration::from_secs\((\d+)\)", SOURCES)
    dialects = [path.read_text() for path in (ROOT / "shared/dialects").glob("*.toml")]
    longest = max(int(seconds) for text in dialects for seconds in re.findall(r'^timeout = "(\d+)s"', text, re.M))
    assert timeouts["Deliver"] >= int(reserve[1]) + longest


# ---- Queues


def event_sources(function="Deliver"):
    sources = resources("AWS::Lambda::EventSourceMapping").items()
    return [(name, source) for name, source in sources if target(source["Properties"]["FunctionName"]) == function]


def test_both_queues_are_read_by_deliver():
    read = {target(source["Properties"]["EventSourceArn"]): target(source["Properties"]["FunctionName"]) for _, source in event_sources()}
    assert read == {"DeliverQueue": "Deliver", "RetryQueue": "Deliver"}
    assert [target(source["Properties"]["EventSourceArn"]) for _, source in event_sources("Enqueue")] == ["EventsQueue"]
    assert len(resources("AWS::Lambda::EventSourceMapping")) == 3


@pytest.mark.parametrize("name,source", event_sources())
def test_an_event_source_hands_out_single_failures_again(name, source):
    properties = source["Properties"]
    # A misspelt one passes both linters and makes every failure a failure of the whole batch.
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert properties["BatchSize"] == {"Ref": "BatchSize"}
    # More than 10 needs a window, which a rule asks for.
    assert 1 <= default(properties["BatchSize"]) <= 10 <= written()["Parameters"]["BatchSize"]["MaxValue"] <= 10_000
    rule = written()["Rules"]["LargeBatchNeedsWindow"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "BatchWindowSeconds"}, "0"]}
    [assertion] = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [[str(size) for size in range(1, 11)], {"Ref": "BatchSize"}]}
    assert properties["MaximumBatchingWindowInSeconds"] == {"Ref": "BatchWindowSeconds"}
    assert written()["Parameters"]["BatchWindowSeconds"]["Default"] == 0
    concurrency = properties["ScalingConfig"]["MaximumConcurrency"]
    parameter = written()["Parameters"][concurrency["Ref"]]
    assert 2 <= parameter["MinValue"] <= parameter["Default"] <= parameter["MaxValue"] <= 1000
    assert "ReservedConcurrentExecutions" not in transformed()["Resources"]["Deliver"]["Properties"]


@pytest.mark.parametrize("name,source", event_sources())
def test_a_queue_keeps_what_cannot_be_handled(name, source):
    queues = resources("AWS::SQS::Queue")
    queue = queues[target(source["Properties"]["EventSourceArn"])]["Properties"]
    timeout = transformed()["Resources"]["Deliver"]["Properties"]["Timeout"]
    assert queue["VisibilityTimeout"] == {"Fn::FindInMap": ["Visibility", {"Ref": "BatchWindowSeconds"}, "Seconds"]}
    windows = written()["Parameters"]["BatchWindowSeconds"]["AllowedValues"]
    visibility = {window: row["Seconds"] for window, row in written()["Mappings"]["Visibility"].items()}
    assert visibility == {str(window): 6 * timeout + window for window in windows}
    assert queue["MessageRetentionPeriod"] == 7 * 86_400
    # Throttled receives count: half an hour of them must not empty the queue into the dead letters.
    assert queue["RedrivePolicy"]["maxReceiveCount"] * visibility["0"] > 1800
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 100
    dead = queues[target(queue["RedrivePolicy"]["deadLetterTargetArn"])]["Properties"]
    assert dead["MessageRetentionPeriod"] == 14 * 86_400
    assert "RedrivePolicy" not in dead


def test_what_a_bus_brings_is_tried_again_and_kept():
    assert written()["Parameters"]["EventBus"]["Default"] == ""
    parts = {name: it for name, it in transformed()["Resources"].items() if it.get("Condition") == "FromBus"}
    assert sorted(parts) == ["BusFailures", "BusPermission", "BusRule", "EnqueueDeadLettersAlarm", "EnqueueDeadQueue", "EnqueueDeadQueuePolicy", "EnqueueLettersLostAlarm"]
    (rule,) = parts["BusRule"]["Properties"]["Targets"]
    failures = parts["BusFailures"]["Properties"]
    assert target(rule["Arn"]) == target(failures["FunctionName"]) == target(parts["BusPermission"]["Properties"]["FunctionName"]) == "Enqueue"
    assert failures["Qualifier"] == "$LATEST" and failures["MaximumRetryAttempts"] == 2
    dead = [rule["DeadLetterConfig"]["Arn"], failures["DestinationConfig"]["OnFailure"]["Destination"]]
    assert [target(it) for it in dead] == ["EnqueueDeadQueue"] * 2
    assert parts["EnqueueDeadQueue"]["Properties"]["MessageRetentionPeriod"] == 14 * 86_400
    (_, statement) = parts["EnqueueDeadQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["BusRule", "Arn"]}}}


def test_what_a_queue_brings_is_there_on_demand_tried_again_and_kept():
    parameters = written()["Parameters"]
    assert (parameters["EventQueue"]["Default"], parameters["EventQueue"]["AllowedValues"]) == ("off", ["on", "off"])
    assert written()["Conditions"]["FromQueue"] == {"Fn::Equals": [{"Ref": "EventQueue"}, "on"]}
    parts = {name: it for name, it in transformed()["Resources"].items() if it.get("Condition") == "FromQueue"}
    alarms = ["EventsDeadLettersAlarm", "EventsLateAlarm", "EventsUnreadAlarm"]
    assert sorted(parts) == sorted([*alarms, "EventsDeadQueue", "EventsDeadQueuePolicy", "EventsQueue", "EventsQueuePolicy", "EventsSource"])
    queue, dead, source = (parts[name]["Properties"] for name in ("EventsQueue", "EventsDeadQueue", "EventsSource"))
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 10 and "MaximumBatchingWindowInSeconds" not in source
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "EventQueueConcurrency"}}
    # Published while deliveries are off, as over HTTP.
    assert "Enabled" not in source
    timeout = transformed()["Resources"]["Enqueue"]["Properties"]["Timeout"]
    assert 6 * timeout <= queue["VisibilityTimeout"] == 180
    assert queue["MessageRetentionPeriod"] == 7 * 86_400 and dead["MessageRetentionPeriod"] == 14 * 86_400
    assert target(queue["RedrivePolicy"]["deadLetterTargetArn"]) == "EventsDeadQueue" and "RedrivePolicy" not in dead
    # The function makes an end of it with the last receive, and says why.
    (receives,) = re.findall(r"EVENT_RECEIVES: u32 = (\d+)", SOURCES)
    assert queue["RedrivePolicy"]["maxReceiveCount"] == int(receives)
    told = transformed()["Resources"]["Enqueue"]["Properties"]["Environment"]["Variables"]["RUNG_EVENTS_DEAD_URL"]
    assert told == {"Fn::If": ["FromQueue", {"Ref": "EventsDeadQueue"}, ""]}


def test_nobody_may_send_events_but_who_is_named():
    parameters = written()["Parameters"]
    assert [parameters[name]["Default"] for name in ("EventQueueTopics", "EventQueueSenders")] == ["", ""]
    arn = {"Fn::GetAtt": ["EventsQueue", "Arn"]}
    (_, topics, senders) = transformed()["Resources"]["EventsQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert topics == {"Fn::If": ["FromTopics", {
        "Sid": "Topics",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "EventQueueTopics"}}},
    }, NOTHING]}
    assert senders == {"Fn::If": ["FromSenders", {
        "Sid": "Senders",
        "Effect": "Allow",
        "Principal": {"AWS": {"Ref": "EventQueueSenders"}},
        "Action": ["sqs:SendMessage", "sqs:GetQueueUrl"],
        "Resource": arn,
    }, NOTHING]}
    fits = lambda name, value: re.fullmatch(parameters[name]["AllowedPattern"], value) is not None
    for value in ("", "123456789012", "arn:aws:iam::123456789012:role/shop", "arn:aws:iam::123456789012:root", "arn:aws-cn:iam::123456789012:user/team/ann"):
        assert fits("EventQueueSenders", value), value
    for value in ("*", "arn:aws:iam::*:root", "arn:aws:iam::123456789012:*", "123"):
        assert not fits("EventQueueSenders", value), value
    for value in ("", "arn:aws:sns:eu-central-1:123456789012:orders", "arn:aws:sns:eu-central-1:123456789012:orders.fifo"):
        assert fits("EventQueueTopics", value), value
    for value in ("*", "arn:aws:sns:eu-central-1:123456789012:*", "arn:aws:sns:*:123456789012:orders"):
        assert not fits("EventQueueTopics", value), value


def test_deliveries_and_sweeps_stop_together():
    for name, source in event_sources():
        assert source["Properties"]["Enabled"] == {"Fn::If": ["Delivering", True, False]}, name
    (schedule,) = resources("AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["State"] == {"Fn::If": ["Delivering", "ENABLED", "DISABLED"]}
    assert written()["Parameters"]["Deliveries"]["Default"] == "on"


def test_every_queue_refuses_plain_http():
    tls_only = {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    refusing = []
    for name, policy in resources("AWS::SQS::QueuePolicy").items():
        assert policy["Properties"]["PolicyDocument"]["Statement"][0] == tls_only, name
        refusing += map(target, policy["Properties"]["Queues"])
    # A queue has one policy: a second one would take the place of the first.
    assert sorted(refusing) == sorted(resources("AWS::SQS::Queue"))


def test_deliver_may_send_to_the_queues_it_reads():
    assert transformed()["Resources"]["Deliver"]["Properties"]["RecursiveLoop"] == "Allow"


def test_the_sweep_runs_each_minute_and_is_not_repeated():
    (schedule,) = resources("AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert target(schedule["Properties"]["Target"]["Arn"]) == "Sweep"
    assert schedule["Properties"]["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    configs = resources("AWS::Lambda::EventInvokeConfig").values()
    (invoke,) = [it for it in configs if target(it["Properties"]["FunctionName"]) == "Sweep"]
    assert invoke["Properties"]["MaximumRetryAttempts"] == 0


# ---- The table


def test_the_table_is_the_one_the_code_makes_elsewhere():
    table = (ROOT / "shared/core/src/store/table.rs").read_text()
    properties = transformed()["Resources"]["Table"]["Properties"]
    indexes = properties["GlobalSecondaryIndexes"]
    names_and_keys = [(it["IndexName"], *(key["AttributeName"] for key in it["KeySchema"])) for it in indexes]
    assert re.findall(r'index\("(\w+)", "(\w+)", "(\w+)"\)', table) == names_and_keys
    attributes = re.search(r"let attributes = \[([^]]+)\]", table)[1]
    assert re.findall(r'"(\w+)"', attributes) == [it["AttributeName"] for it in properties["AttributeDefinitions"]]
    own = [tuple(key["AttributeName"] for key in properties["KeySchema"])]
    assert re.findall(r'keys\("(\w+)", "(\w+)"\)', table) == own
    for schema in (properties["KeySchema"], *(it["KeySchema"] for it in indexes)):
        assert [key["KeyType"] for key in schema] == ["HASH", "RANGE"]
    assert all(it["Projection"]["ProjectionType"] == "KEYS_ONLY" for it in indexes) and "ProjectionType::KeysOnly" in table
    assert properties["BillingMode"] == "PAY_PER_REQUEST" and "BillingMode::PayPerRequest" in table


def test_the_table_forgets_and_is_kept_safe():
    properties = transformed()["Resources"]["Table"]["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "exp", "Enabled": True}
    assert '"exp"' in SOURCES
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["Protected", True, False]}
    assert written()["Parameters"]["TableProtection"]["Default"] == "true"
    assert transformed()["Resources"]["Table"]["UpdateReplacePolicy"] == "Retain"


def test_the_table_and_its_indexes_are_kept_warm_together():
    properties = transformed()["Resources"]["Table"]["Properties"]
    units = {"ReadUnitsPerSecond": {"Ref": "WarmReadUnits"}, "WriteUnitsPerSecond": {"Ref": "WarmWriteUnits"}}
    for warmed in (properties, *properties["GlobalSecondaryIndexes"]):
        assert warmed["WarmThroughput"] == {"Fn::If": ["Warm", units, NOTHING]}
    assert [written()["Parameters"][it["Ref"]]["Default"] for it in units.values()] == [0, 0]


# ---- Who may do what


def test_each_function_has_a_role_of_its_own_without_managed_policies():
    roles = [target(transformed()["Resources"][name]["Properties"]["Role"]) for name in FUNCTIONS]
    assert len(set(roles)) == len(roles)
    managed = {name: role["Properties"].get("ManagedPolicyArns", []) for name, role in resources("AWS::IAM::Role").items()}
    # Whatever Egress is: Lambda takes its network interfaces away only after a function has left the subnets.
    in_subnets = [{"Ref": "VpcPolicy"}]
    assert managed == dict.fromkeys(managed, []) | {"SubscriptionsRole": in_subnets, "DeliverRole": in_subnets}
    assert "Condition" not in transformed()["Resources"]["VpcPolicy"]


def test_every_role_has_the_boundary_that_the_account_asks_for():
    roles = resources("AWS::IAM::Role")
    assert len(roles) == len(FUNCTIONS) + 1, "one more for the schedule, made by SAM"
    for name, role in roles.items():
        assert role["Properties"]["PermissionsBoundary"] == {"Fn::If": ["Bounded", {"Ref": "PermissionsBoundary"}, NOTHING]}, name


def test_no_right_is_given_for_all_resources_but_those_that_know_none():
    for name, role in resources("AWS::IAM::Role").items():
        for statement in statements(role):
            assert statement["Effect"] == "Allow", name
            assert all("*" not in action for action in listed(statement["Action"])), name
            assert all("*" not in str(resource) for resource in listed(statement["Resource"])) or set(statement["Action"]) == TRACES, name
    (vpc,) = resources("AWS::IAM::ManagedPolicy").values()
    allow, deny = vpc["Properties"]["PolicyDocument"]["Statement"]
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert allow["Action"] == deny["Action"], "the code itself gets none of these rights"
    assert deny["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}


def test_the_sweep_changes_its_own_rows_only():
    (table,) = [it for it in statements(transformed()["Resources"]["SweepRole"]) if it["Sid"] == "ParkedWaits"]
    prefixes = table["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    parked = (ROOT / "shared/core/src/store/parked.rs").read_text()
    assert prefixes == ["Q#*", "C#*"] and table["Action"] == "dynamodb:BatchWriteItem"
    assert set(re.findall(r'format!\("([A-Z]#)\{', parked)) == {"Q#", "C#"}


def test_only_deliver_tells_the_operators_topic_and_only_if_there_is_one():
    told = {name for name in FUNCTIONS if "RUNG_OPERATOR_TOPIC" in transformed()["Resources"][name]["Properties"]["Environment"]["Variables"]}
    may = {}
    for name in FUNCTIONS:
        role = transformed()["Resources"][target(transformed()["Resources"][name]["Properties"]["Role"])]
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                if "sns:" in json.dumps(statement):
                    may[name] = statement
    assert told == may.keys() == {"Deliver"}
    tell = {"Sid": "TellOperator", "Effect": "Allow", "Action": "sns:Publish", "Resource": {"Ref": "OperatorTopicArn"}}
    assert may["Deliver"] == {"Fn::If": ["TellsTopic", tell, {"Ref": "AWS::NoValue"}]}
    assert written()["Parameters"]["OperatorTopicArn"]["Default"] == ""


def test_the_admin_key_is_made_by_the_stack_and_written_nowhere():
    key = transformed()["Resources"]["AdminKey"]["Properties"]
    assert "SecretString" not in key and key["GenerateSecretString"]["PasswordLength"] >= 32
    assert "RUNG_ADMIN_KEY:" not in PATH.read_text()
    assert "resolve:secretsmanager" not in PATH.read_text()
    for output in written()["Outputs"].values():
        assert "SecretString" not in str(output["Value"]) or "get-secret-value" in str(output["Value"])


def test_the_encryption_keys_are_made_by_the_stack_kept_after_it_and_read_by_those_who_sign_or_show():
    keys = transformed()["Resources"]["EncryptionKeys"]
    assert "SecretString" not in keys["Properties"] and keys["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32
    assert keys["DeletionPolicy"] == keys["UpdateReplacePolicy"] == "Retain"
    assert "RUNG_ENCRYPTION_KEYS:" not in PATH.read_text()
    may = {
        name
        for name in FUNCTIONS
        for statement in statements(transformed()["Resources"][target(transformed()["Resources"][name]["Properties"]["Role"])])
        if any(isinstance(it, dict) and "EncryptionKeys" in str(it) for it in listed(statement["Resource"]))
    }
    assert may == {"Subscriptions", "Deliver"}


# ---- Encryption by a key of the operator's own

KEY = {"Ref": "KmsKeyArn"}


def test_without_a_key_of_the_operators_own_everything_is_encrypted_by_aws():
    assert written()["Parameters"]["KmsKeyArn"]["Default"] == ""
    (with_key, without) = transformed()["Resources"]["Table"]["Properties"]["SSESpecification"]["Fn::If"][1:]
    assert without == {"SSEEnabled": True}
    assert with_key == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    for name, queue in resources("AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] == {"Fn::If": ["OwnKmsKey", False, True]}, name


def test_a_key_of_the_operators_own_encrypts_all_that_is_kept():
    own = {"Fn::If": ["OwnKmsKey", KEY, NOTHING]}
    fields = {"AWS::SQS::Queue": "KmsMasterKeyId", "AWS::Logs::LogGroup": "KmsKeyId", "AWS::SecretsManager::Secret": "KmsKeyId"}
    for kind, field in fields.items():
        assert resources(kind), kind
        for name, resource in resources(kind).items():
            assert resource["Properties"][field] == own, name


def test_each_function_may_use_the_key_through_its_services_alone():
    services = {
        "Subscriptions": ["dynamodb", "sqs", "secretsmanager"],
        "Enqueue": ["dynamodb", "sqs", "secretsmanager"],
        "Deliver": ["dynamodb", "sqs", "secretsmanager", "sns"],
        "Sweep": ["dynamodb", "sqs"],
    }
    for name in FUNCTIONS:
        role = transformed()["Resources"][target(transformed()["Resources"][name]["Properties"]["Role"])]
        (condition, statement, otherwise) = next(
            it["Fn::If"]
            for policy in role["Properties"]["Policies"]
            for it in policy["PolicyDocument"]["Statement"]
            if "Fn::If" in it and it["Fn::If"][0] == "OwnKmsKey"
        )
        via = [{"Fn::Sub": f"{service}.${{AWS::Region}}.amazonaws.com"} for service in services[name]]
        assert otherwise == NOTHING
        assert statement == {
            "Sid": "Key",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": KEY,
            "Condition": {"StringEquals": {"kms:ViaService": via}},
        }, name


def test_urls_are_strict_unless_asked_otherwise():
    assert written()["Parameters"]["StrictUrls"]["Default"] == "true"


# ---- The API

CALLS = """
GET / Subscriptions
GET /dashboard/main.js Subscriptions
GET /docs Subscriptions
GET /openapi.json Subscriptions
GET /v1/health Subscriptions
POST /v1/tenants Subscriptions
PATCH /v1/tenants/acme Subscriptions
DELETE /v1/tenants/acme Subscriptions
POST /v1/tenants/acme/keys Subscriptions
DELETE /v1/tenants/acme/keys/key_1 Subscriptions
POST /v1/webhooks Subscriptions
GET /v1/webhooks/webhook_1 Subscriptions
PATCH /v1/webhooks/webhook_1 Subscriptions
DELETE /v1/webhooks/webhook_1 Subscriptions
POST /v1/webhooks/webhook_1/test Subscriptions
POST /v1/webhooks/webhook_1/prove Subscriptions
POST /v1/webhooks/webhook_1/verify Subscriptions
POST /v1/webhooks/webhook_1/rotate-secret Subscriptions
POST /v1/webhooks/webhook_1/rotate-secret/finish Subscriptions
GET /v1/webhooks/webhook_1/secret Subscriptions
POST /v1/reencrypt Subscriptions
GET /v1/webhooks/webhook_1/logs Subscriptions
GET /v1/webhooks/webhook_1/logs/log_1 Subscriptions
POST /v1/webhooks/webhook_1/logs/log_1/retry Subscriptions
POST /v1/webhooks/webhook_1/recover Subscriptions
POST /v1/recover Subscriptions
POST /v1/exports Subscriptions
POST /v1/filter-preview Subscriptions
GET /v1/jobs/job_1/output Subscriptions
POST /v1/jobs/job_1/cancel Subscriptions
POST /v1/import Subscriptions
GET /v1/webhooks/webhook_1/deliveries Subscriptions
GET /v1/webhooks/webhook_1/deliveries/delivery_1 Subscriptions
POST /v1/webhooks/webhook_1/deliveries/delivery_1/retry Subscriptions
POST /v1/webhooks/webhook_1/deliveries/delivery_1/cancel Subscriptions
POST /v1/webhooks/webhook_1/deliveries/cancel Subscriptions
GET /v1/webhooks/webhook_1/stats Subscriptions
GET /v1/logs Subscriptions
GET /v1/stats Subscriptions
GET /v1/dead-letters Subscriptions
POST /v1/dead-letters/redrive Subscriptions
GET /v1/events Subscriptions
POST /v1/events Enqueue
POST /v1/events/batch Enqueue
GET /v1/events/evt_1 Subscriptions
GET /v1/event-types Subscriptions
GET /v1/event-types/user.lesson.completed Subscriptions
GET /v1/event-types/shop/order.created Subscriptions
GET /v1/egress-ips Subscriptions
""".strip().splitlines()


def routes():
    """Each route as written: method, path, function."""
    for name in FUNCTIONS:
        for event in written()["Resources"][name]["Properties"].get("Events", {}).values():
            if event["Type"] == "HttpApi":
                yield event["Properties"]["Method"], event["Properties"]["Path"], name


def routed(method, path):
    """The function that an HTTP API would ask: literal segments win over variables, those over greedy ones, a method over any."""

    def rank(part):
        return 0 if not part.startswith("{") else 2 if part.endswith("+}") else 1

    def matches(pattern):
        shapes = [(re.escape(part), "[^/]+", ".+")[rank(part)] for part in pattern.split("/")]
        return re.fullmatch("/".join(shapes), path)

    found = [([rank(part) for part in pattern.split("/")], verb == "ANY", name) for verb, pattern, name in routes() if verb in ("ANY", method) and matches(pattern)]
    return min(found)[2] if found else None


@pytest.mark.parametrize("call", CALLS)
def test_a_call_reaches_its_function(call):
    method, path, name = call.split()
    assert routed(method, path) == name


def test_every_path_that_is_served_reaches_its_function():
    published = ["/v1/events", "/v1/events/batch"]
    for path, methods in json.loads((ROOT / "openapi.json").read_text())["paths"].items():
        call = re.sub(r"\{type\}", "some/thing", path)
        for method in methods:
            name = "Enqueue" if path in published and method == "post" else "Subscriptions"
            assert routed(method.upper(), re.sub(r"\{\w+\}", "something", call)) == name, path


def test_unknown_paths_cost_no_invocation():
    assert routed("GET", "/wp-login.php") is None
    assert all("$default" not in path and path != "/{proxy+}" for _, path, _ in routes())


def test_a_functions_policy_has_room_for_its_routes_whatever_the_names():
    """Lambda takes 20,480 bytes of a function's policy, and SAM adds a statement for each route."""
    # A function's name has at most 64 characters.
    longest = max(FUNCTIONS.values(), key=len)
    stack, region, account = "x" * (64 - len(f"-{longest}")), "ap-southeast-99-gov", "123456789012"
    known = {"AWS::Partition": "aws-us-gov", "AWS::Region": region, "AWS::AccountId": account, "__ApiId__": "a" * 10, "__Stage__": "*"}
    policies = {}
    for name, permission in resources("AWS::Lambda::Permission").items():
        it = permission["Properties"]
        if it["Principal"] != "apigateway.amazonaws.com":
            continue
        function = target(it["FunctionName"])
        source = re.sub(r"\$\{([\w:]+)\}", lambda found: known[found[1]], it["SourceArn"]["Fn::Sub"][0])
        policies.setdefault(function, []).append({
            "Sid": f"{stack}-{name}-AbCdEfGhIjKl",
            "Effect": "Allow",
            "Principal": {"Service": it["Principal"]},
            "Action": it["Action"],
            "Resource": f"arn:aws-us-gov:lambda:{region}:{account}:function:{stack}-{FUNCTIONS[function]}",
            "Condition": {"ArnLike": {"AWS:SourceArn": source}},
        })
    assert len(policies["Subscriptions"]) > 20
    for function, statements in policies.items():
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
        # What is left is for routes to come, and for the rule of a bus.
        assert len(json.dumps(policy, separators=(",", ":"))) < 20_480 * 0.9, function


def stage_log():
    """The shape of a line of the API's log."""
    (stage,) = resources("AWS::ApiGatewayV2::Stage").values()
    return stage["Properties"]["AccessLogSettings"]["Format"]


def test_the_api_is_throttled_and_its_log_holds_no_keys():
    stage = resources("AWS::ApiGatewayV2::Stage").popitem()[1]["Properties"]
    assert stage["StageName"] == "$default"
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == {"Ref": "ApiRate"}
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == {"Ref": "ApiBurst"}
    shape = stage_log()
    assert json.loads(shape)["status"] == "$context.status"
    assert not re.search(r"header|authoriz|query|identity\.(?!sourceIp)", shape, re.I)


# ---- Watching

ALARMS = resources("AWS::CloudWatch::Alarm")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_rings_where_it_is_told_and_is_explained(name):
    properties = ALARMS[name]["Properties"]
    action = [{"Fn::If": ["Alarmed", {"Ref": "AlarmTopicArn"}, {"Ref": "AWS::NoValue"}]}]
    assert properties["AlarmActions"] == properties["OKActions"] == action
    short = properties["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
    headings = re.findall(r"^### `(.+)`$", (ROOT / "docs/operate.md").read_text(), re.M)
    assert [heading for heading in headings if fnmatch.fnmatch(short, heading)], short


def metrics(alarm):
    """The metrics that an alarm watches: one, or several that are added."""
    properties = alarm["Properties"]
    return [it["MetricStat"]["Metric"] for it in properties["Metrics"] if "MetricStat" in it] if "Metrics" in properties else [properties]


def watched(metric):
    """What the alarms on a metric watch."""
    return sorted(target(it["Dimensions"][0]["Value"]) for alarm in ALARMS.values() for it in metrics(alarm) if it["MetricName"] == metric)


def test_every_function_and_queue_is_watched():
    assert watched("Errors") == watched("Throttles") == sorted(FUNCTIONS)
    assert watched("ApproximateAgeOfOldestMessage") == ["DeliverQueue", "EventsQueue", "RetryQueue"]
    assert watched("ApproximateNumberOfMessagesVisible") == ["DeliverDeadQueue", "EnqueueDeadQueue", "EventsDeadQueue", "RetryDeadQueue"]
    assert watched("DestinationDeliveryFailures") == ["Enqueue"]


def test_what_a_rule_could_not_keep_is_watched_on_either_kind_of_bus():
    assert written()["Conditions"]["DefaultBus"] == {"Fn::Equals": [{"Ref": "EventBus"}, "default"]}
    (metric,) = [it for it in metrics(ALARMS["EnqueueLettersLostAlarm"]) if it["Namespace"] == "AWS/Events"]
    rule = {"Name": "RuleName", "Value": transformed()["Resources"]["BusRule"]["Properties"]["Name"]}
    of_a_bus = {"Name": "EventBusName", "Value": {"Ref": "EventBus"}}
    assert metric["Dimensions"] == {"Fn::If": ["DefaultBus", [rule], [of_a_bus, rule]]}


def test_an_event_source_that_asks_no_more_rings():
    assert watched("NumberOfEmptyReceives") == watched("NumberOfMessagesReceived") == ["DeliverQueue", "EventsQueue", "RetryQueue"]
    for alarm in ("DeliverUnreadAlarm", "EventsUnreadAlarm", "RetryUnreadAlarm"):
        properties = ALARMS[alarm]["Properties"]
        assert (properties["ComparisonOperator"], properties["Threshold"], properties["TreatMissingData"]) == ("LessThanThreshold", 1, "breaching")


def test_throttles_of_the_table_and_of_each_index_ring():
    indexes = [it["IndexName"] for it in transformed()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]]
    for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
        found = [it["Dimensions"][1:] for alarm in ALARMS.values() for it in metrics(alarm) if it["MetricName"] == metric]
        of_indexes = [[{"Name": "GlobalSecondaryIndexName", "Value": name}] for name in indexes]
        assert sorted(found, key=str) == sorted([[], *of_indexes], key=str)


def test_what_the_api_refuses_for_its_rate_rings_and_not_what_rung_does():
    (counted,) = resources("AWS::Logs::MetricFilter").values()
    properties = counted["Properties"]
    assert target(properties["LogGroupName"]) == target(transformed()["Resources"]["ApiApiGatewayDefaultStage"]["Properties"]["AccessLogSettings"]["DestinationArn"])
    for field, value in re.findall(r'\$\.(\w+) = "([^"]+)"', properties["FilterPattern"]):
        assert field in json.loads(stage_log()) and value in ("429", "-")
    (metric,) = properties["MetricTransformations"]
    alarm = ALARMS["ApiThrottledAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (metric["MetricNamespace"], metric["MetricName"])
    assert "Dimensions" not in alarm, "a filter counts without"


def test_the_first_dead_letter_rings():
    for alarm in ("DeliverDeadLettersAlarm", "RetryDeadLettersAlarm", "EventsDeadLettersAlarm", "EnqueueDeadLettersAlarm", "EnqueueLettersLostAlarm"):
        properties = ALARMS[alarm]["Properties"]
        assert (properties["Threshold"], properties["EvaluationPeriods"]) == (0, 1)


def test_no_sweep_at_all_rings_before_anything_is_late():
    properties = ALARMS["SweepLagAlarm"]["Properties"]
    assert properties["TreatMissingData"] == "breaching"
    ahead_s = int(re.search(r"SWEEP_AHEAD_MS: u64 = (\d+) \* 60_000", SOURCES)[1]) * 60
    assert properties["EvaluationPeriods"] * properties["Period"] + properties["Threshold"] / 1000 < ahead_s


def test_what_rung_counts_is_watched_by_its_name():
    """Every metric of Rung's own that the alarms and the dashboard show is one that the code writes, and the other way round."""
    counted = set(re.findall(r'count\("(\w+)"', METRICS)) | set(re.findall(r'^ +"(\w+Ms)",$', METRICS, re.M))
    shown = {it["MetricName"] for alarm in ALARMS.values() for it in metrics(alarm) if it["Namespace"] == "Rung"}
    for widget in dashboard():
        namespace = name = None
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                namespace, name = "Rung", re.search(r'MetricName="(\w+)"', metric[0]["expression"])[1]
            elif metric[0] != "...":
                namespace = namespace if metric[0] == "." else metric[0]
                name = name if metric[1] == "." else metric[1]
            if namespace == "Rung":
                shown.add(name)
    assert shown == counted and len(counted) == 11
    assert "const NAMESPACE: &str = \"Rung\";" in METRICS


def dashboard():
    """The dashboard's widgets with all that is conditional in it."""
    body, values = transformed()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, value in values.items():
        body = body.replace("${" + name + "}", value["Fn::If"][1]["Fn::Sub"])
    for reference in re.findall(r"\$\{([A-Za-z]+)", body):
        assert reference == "AWS" or reference in transformed()["Resources"]
    return json.loads(body)["widgets"]


def test_the_dashboard_shows_every_alarm():
    (alarms,) = [it["properties"]["alarms"] for it in dashboard() if it["type"] == "alarm"]
    assert sorted(alarms) == sorted("${" + name + ".Arn}" for name in ALARMS)


def test_the_dashboard_has_no_gaps():
    shapes = sorted((it["y"], it["x"], it["width"], it["height"]) for it in dashboard())
    rows = {}
    for y, x, width, height in shapes:
        assert x == rows.get(y, (0, height))[0], "side by side"
        assert height == rows.get(y, (0, height))[1], "of one height"
        rows[y] = (x + width, height)
    end = 0
    for y, (width, height) in sorted(rows.items()):
        assert (y, width) == (end, 24)
        end = y + height


def test_parameters_have_the_bounds_of_what_the_functions_take():
    """With a value that they refuse, a deployment would succeed and no function start."""
    parameters, config = written()["Parameters"], (ROOT / "shared/core/src/config.rs").read_text()
    for name, variable in {"RetentionDays": "RETENTION_DAYS", "WebhooksPerTenant": "WEBHOOKS_PER_TENANT", "MetricTenants": "METRIC_TENANTS", "TenantRate": "TENANT_RATE"}.items():
        body = config.split(f'let name = "RUNG_{variable}";')[1]
        bounds_written = re.search(r"(\w+)\.\.=(\w+)", body).groups()
        named = dict(re.findall(r"^const (\w+): \w+ = ([\d_]+);$", config, re.MULTILINE))
        least, most = (int(named.get(it, it).replace("_", "")) for it in bounds_written)
        bounds = parameters[name]
        if name == "TenantRate":
            (assertion,) = written()["Rules"]["TenantRateTakesABatch"]["Assertions"]
            refused, tested = assertion["Assert"]["Fn::Not"][0]["Fn::Contains"]
            assert tested == {"Ref": name} and refused == [str(rate) for rate in range(1, least)]
            least = 0
        assert (bounds["MinValue"], bounds["MaxValue"]) == (least, most), name
    assert parameters["StrictUrls"]["AllowedValues"] == ["true", "false"]


@pytest.mark.parametrize("name,good,bad", [
    (
        "EgressIps",
        ["", "192.0.2.1", "192.0.2.1,198.51.100.0/24", "192.0.2.1, 2001:db8::1", "2001:db8::/32", "::", "::1", "1:2:3:4:5:6:7:8", "1::8", "1:2:3:4:5:6:7::", "192.0.2.1,"],
        ["nat-0123", "192.0.2", "192.0.2.256", "192.0.2.01", "192.0.2.1/33", "192.0.2.1 198.51.100.1", "1:2:3", ":::", "1::2::3", "2001:db8::/129", "https://192.0.2.1"],
    ),
    ("EgressProxy", ["", "http://proxy:3128", "http://proxy.example.com/", "http://[2001:db8::1]:3128"], ["proxy:3128", "https://proxy", "http://a b", "http://:3128", "http://u:p@proxy", "http://proxy/x"]),
    ("PublicUrl", ["", "https://webhooks.example.com", "https://example.com:8443/hooks"], ["http://example.com", "https:// ", "https://", "https://:443", "https://exa mple.com"]),
    ("OperatorTopicArn", ["", "arn:aws:sns:eu-central-1:123456789012:ops"], ["ops", "arn:aws:sqs:eu-central-1:123456789012:ops", "arn:aws:sns:eu-central-1:123456789012:ops.fifo"]),
    ("Portal", ["", "{}", '{"name":"Acme"}'], ["Acme", "[]", "{"]),
])
def test_a_parameter_takes_no_text_that_the_functions_refuse(name, good, bad):
    pattern = written()["Parameters"][name]["AllowedPattern"]
    for text, fits in [*((it, True) for it in good), *((it, False) for it in bad)]:
        assert (re.fullmatch(pattern, text) is not None) == fits, text
    if name == "EgressIps":
        for text in good:
            assert [ipaddress.ip_network(it.strip(), strict=False) for it in text.split(",") if it] is not None


def test_every_parameter_is_used_grouped_and_described():
    parameters = written()["Parameters"]
    groups = written()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(parameters)
    guide = (ROOT / "docs/operate.md").read_text()
    for name, parameter in parameters.items():
        assert parameter["Description"] and f"`{name}`" in guide, name
