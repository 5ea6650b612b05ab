"""The stack of template.yaml on a stand-in for AWS on this machine (ministack).

The stand-in runs the functions' binaries as Lambda does, feeds them from its own SQS and HTTP API, and holds every call that they make
against their roles' policies. What it cannot do is left out or made up for here: it takes no routes from the body of an HTTP API, so
they are created from the processed template; it knows no /opt, so no layer is deployed; it asks for a right of its own to send in
batches, which on AWS is the right to send; it speaks plain http, which the queues' policies refuse; it knows no alarms on sums of metrics; it trips over numbers that come from parameters; it lets a rule's event that fails be;
and it looks at no partition keys (policies.py does).
"""

import collections
import copy
import functools
import hashlib
import io
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import boto3
import botocore.config

from policies import Call
from template import ROOT, resources, statements, written

STACK = "rung"
REGION = "eu-central-1"
BUCKET = "code"
BUS = "product"
TOPIC = "operations"
SHOP = "shop"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]


class Bed:
    """The stand-in, and the stack on it once it is deployed."""

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.invoked = collections.Counter()
        self.log = open(directory / "ministack.log", "wb")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RUNG_", "MINISTACK_"))}
        environment |= {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            # Every function inherits it.
            "AWS_ENDPOINT_URL": self.endpoint,
            "MINISTACK_REGION": REGION,
            # Policies are enforced, so a right that a role lacks fails a test.
            "AUTH": "true",
            "LAMBDA_EXECUTOR": "local",
            "CLOUDTRAIL_RECORDING": "1",
            "CLOUDTRAIL_MAX_EVENTS": "1000000",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "TMPDIR": str(directory),
        }
        self.process = subprocess.Popen(
            [os.path.join(os.path.dirname(sys.executable), "ministack")],
            cwd=directory,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        eventually(self.ready, "the stand-in for AWS does not answer", 120)

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the stand-in for AWS ended; see {self.log.name}")
        try:
            return urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=2).status == 200
        except OSError:
            return False

    def client(self, service):
        """A client with all rights."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"max_attempts": 1}),
        )

    def deploy(self, binaries, parameters):
        """Deploys the template with a binary per function, named as in its build properties."""
        s3 = self.client("s3")
        self.create_bucket()
        template = on_stand_in(written())
        template["Globals"]["Function"]["Architectures"] = [ARCHITECTURE]
        for resource in resources("AWS::Serverless::Function", template).values():
            name = resource["Metadata"]["BuildProperties"]["Binary"]
            s3.put_object(Bucket=BUCKET, Key=name, Body=package(binaries[name]))
            resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/{name}"
        s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template))
        self.client("events").create_event_bus(Name=BUS)
        self.shop = self.client("sns").create_topic(Name=SHOP)["TopicArn"]
        self.topic, self.heard = self.create_topic()
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=STACK,
            TemplateURL=f"{self.endpoint}/{BUCKET}/template.json",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in {"EventBus": BUS, "EventQueue": "on", "EventQueueTopics": self.shop, "OperatorTopicArn": self.topic, **parameters}.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
        self.complete()

    def run(self, folder, *command, answer=""):
        """What a command says to a user who gives one answer to all of its questions."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
        environment |= {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        }
        run = subprocess.run(command, cwd=folder, env=environment, input=f"{answer}\n" * 100, capture_output=True, text=True, timeout=600)
        said = run.stdout + run.stderr
        assert run.returncode == 0, said
        return said

    def create_bucket(self):
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def complete(self):
        """Does what the stand-in leaves undone of a stack that it has created."""
        cloudformation = self.client("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.create_routes(cloudformation)
        functions = self.client("lambda")
        for source in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=source["UUID"], ScalingConfig=source["ScalingConfig"])

    def create_topic(self):
        """A topic for the operator, and the queue that hears all of it."""
        topic = self.client("sns").create_topic(Name=TOPIC)["TopicArn"]
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=TOPIC)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        policy = {"Version": "2012-10-17", "Statement": [allowed | {"Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return topic, url

    def create_routes(self, cloudformation):
        processed = cloudformation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
        if isinstance(processed, str):
            processed = json.loads(processed)
        api = self.client("apigatewayv2")
        self.api_id = re.match(r"https://(\w+)\.", self.outputs["ApiUrl"])[1]
        integrations = {}
        for path, methods in processed["Resources"]["Api"]["Properties"]["Body"]["paths"].items():
            for method, operation in methods.items():
                integration = operation["x-amazon-apigateway-integration"]
                name = re.search(r"\$\{(\w+)\.Arn\}", json.dumps(integration["uri"]))[1]
                if name not in integrations:
                    arn = self.client("lambda").get_function(FunctionName=self.function(name))["Configuration"]["FunctionArn"]
                    integrations[name] = api.create_integration(
                        ApiId=self.api_id,
                        IntegrationType="AWS_PROXY",
                        IntegrationUri=arn,
                        PayloadFormatVersion=integration["payloadFormatVersion"],
                    )["IntegrationId"]
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                api.create_route(ApiId=self.api_id, RouteKey=f"{verb} {path}", Target=f"integrations/{integrations[name]}")

    def function(self, logical_id):
        return f"{STACK}-{logical_id.lower()}"

    def call(self, method, path, body=None, headers=None):
        """One request to the API: its status and its answer, read as JSON if it is."""
        request = urllib.request.Request(
            self.endpoint + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Host": f"{self.api_id}.execute-api.localhost", "Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def invoke(self, logical_id, event):
        """Invokes a function by itself."""
        self.invoked[logical_id] += 1
        answer = self.client("lambda").invoke(FunctionName=self.function(logical_id), Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read() or "null")
        assert "FunctionError" not in answer, payload
        return payload

    def lines(self, logical_id):
        """What a function has logged."""
        logs = self.client("logs")
        group = f"/aws/lambda/{self.function(logical_id)}"
        events = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in events for event in page["events"]]

    @functools.cache
    def requests(self, logical_id):
        """Each request of a function to AWS until it was first asked for: the service, the call, what was asked, and when."""
        # How the stand-in names the session of a function's role.
        config = self.client("lambda").get_function(FunctionName=self.function(logical_id))["Configuration"]
        key = "ASIA" + hashlib.sha256(f"{config['FunctionArn']}:{config['Role']}".encode()).hexdigest()[:16].upper()
        requests = []
        for event in self.recorded(key):
            asked = json.loads(event["CloudTrailEvent"])["requestParameters"]
            # Of a call in the query protocol the stand-in records no name of its own.
            requests.append((event["EventSource"].split(".")[0], asked.get("Action") or event["EventName"], asked, event["EventTime"]))
        return requests

    def calls(self, logical_id):
        """What a function has asked AWS for."""
        names = {self.outputs["TableName"]: "Table", self.outputs["AdminKeySecret"]: "AdminKey", self.outputs["EncryptionKeysSecret"]: "EncryptionKeys", self.topic: "OperatorTopicArn"}
        names |= {url: output.removesuffix("Url") for output, url in self.outputs.items() if output.endswith("QueueUrl")}
        made = set()
        for service, call, asked, _ in self.requests(logical_id):
            for action, target, keys in rights(call, asked):
                index = f"/index/{asked['IndexName']}" if asked.get("IndexName") else ""
                made.add(Call(f"{service}:{action}", names.get(target, target) + index, keys))
        return made

    def recorded(self, access_key):
        """All calls made with a key, newest first. The stand-in shows 50 at a time and knows no next page, but fractions of a second."""
        before = time.time()
        while True:
            request = urllib.request.Request(
                self.endpoint,
                data=json.dumps({"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": access_key}], "EndTime": before}).encode(),
                headers={
                    "X-Amz-Target": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents",
                    "Content-Type": "application/x-amz-json-1.1",
                    "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20250101/{REGION}/cloudtrail/aws4_request, SignedHeaders=host, Signature=0",
                },
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                events = json.load(answer)["Events"]
            if not events:
                return
            yield from events
            before = events[-1]["EventTime"] - 1e-6

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def on_stand_in(template):
    """A template as the stand-in takes it."""
    template = copy.deepcopy(template)
    for function in resources("AWS::Serverless::Function", template).values():
        function["Properties"].pop("Layers", None)
    del template["Resources"]["DialectLayer"]
    for name, policy in resources("AWS::SQS::QueuePolicy", template).items():
        document = policy["Properties"]["PolicyDocument"]
        document["Statement"] = [it for it in document["Statement"] if it.get("Sid") != "TlsOnly"]
        if not document["Statement"]:
            del template["Resources"][name]
    for alarm in resources("AWS::CloudWatch::Alarm", template).values():
        if alarm["Properties"].pop("Metrics", None):
            alarm["Properties"] |= {"Namespace": "Sum", "MetricName": "Sum", "Statistic": "Sum", "Period": 60}
    for role in resources("AWS::IAM::Role", template).values():
        for statement in statements(role):
            if statement["Action"] == "sqs:SendMessage":
                statement["Action"] = ["sqs:SendMessage", "sqs:SendMessageBatch"]
    return template


def rights(call, asked):
    """The rights that a call takes, each with what it takes them on and the partition keys that it names."""
    match call:
        case "TransactWriteItems":
            members = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
            parts = [(members[member], part) for item in asked["TransactItems"] for member, part in item.items()]
            return [(action, part["TableName"], partitions(part)) for action, part in parts]
        case "BatchGetItem":
            return [(call, table, partitions(*({"Key": key} for key in part["Keys"]))) for table, part in asked["RequestItems"].items()]
        case "BatchWriteItem":
            tables = asked["RequestItems"].items()
            return [(call, table, partitions(*(part for request in requests for part in request.values()))) for table, requests in tables]
    named = next((asked[name] for name in ("TableName", "QueueUrl", "SecretId", "TopicArn") if asked.get(name)), None)
    return [(call.removesuffix("Batch"), named, partitions(asked))]


def partitions(*parts):
    """The partition keys that parts of a call name."""
    found = set()
    for part in parts:
        if row := part.get("Item") or part.get("Key"):
            found.add(row["pk"]["S"])
        elif condition := part.get("KeyConditionExpression"):
            (name,) = re.findall(r"^(?:pk|g|wh) = (:\w+)", condition)
            found.add(part["ExpressionAttributeValues"][name]["S"])
    return frozenset(found)


def package(binary):
    """A deployment package as SAM makes one: the binary alone, called bootstrap."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        with open(binary, "rb") as source, archive.open(entry, "w") as copy_to:
            shutil.copyfileobj(source, copy_to)
    return buffer.getvalue()


@functools.cache
def binaries():
    """The functions' binaries by name, of the profile that RUNG_FUNCTIONS names."""
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    target = Path(json.loads(metadata.stdout)["target_directory"])
    names = [
        resource["Metadata"]["BuildProperties"]["Binary"]
        for resource in written()["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    if os.environ["RUNG_FUNCTIONS"] == "release":
        return {name: target / "release" / name for name in names}
    # Four fifths of a debug binary is for debuggers. The stand-in unpacks each function several times.
    stripped = target / "functions-under-test"
    stripped.mkdir(exist_ok=True)
    for name in names:
        subprocess.run(["strip", "-o", stripped / name, target / "debug" / name.replace("rung-", "lambda-")], check=True)
    return {name: stripped / name for name in names}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(probe, otherwise, seconds=30):
    """Asks until there is an answer, and gives it."""
    end = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        assert time.monotonic() < end, otherwise() if callable(otherwise) else otherwise
        time.sleep(0.1)
