/** The construct is the released template: with its parameters as properties, and its code as assets. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { App, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { type IVpc, SecurityGroup, Vpc } from "aws-cdk-lib/aws-ec2";
import { EventBus } from "aws-cdk-lib/aws-events";
import { Key } from "aws-cdk-lib/aws-kms";
import { Topic } from "aws-cdk-lib/aws-sns";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import { RungStack, type RungParameters } from "rung-cdk";

const RELEASE = fileURLToPath(new URL("../release", import.meta.resolve("rung-cdk")));
const BOOTSTRAP = "BootstrapVersion";

/** One value that the template takes for each of its parameters, none of them the default. */
const ALL: Required<RungParameters> = {
  retentionDays: 60,
  strictUrls: false,
  dialectFiles: "/opt/acme.toml",
  caFiles: "/opt/acme.pem",
  eventBus: "default",
  eventQueue: "on",
  eventQueueTopics: ["arn:aws:sns:eu-central-1:123456789012:orders"],
  eventQueueSenders: ["210987654321", "arn:aws:iam::123456789012:role/shop"],
  eventQueueConcurrency: 20,
  kmsKeyArn: "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  egress: "vpc",
  subnetIds: ["subnet-0a", "subnet-0b"],
  securityGroupIds: ["sg-0a"],
  egressIps: "192.0.2.1,192.0.2.2",
  egressProxy: "http://proxy.example.com:3128",
  publicUrl: "https://webhooks.example.com",
  portal: '{"name":"Acme"}',
  deliveries: "off",
  deliverConcurrency: 200,
  retryConcurrency: 20,
  batchSize: 5,
  batchWindowSeconds: 10,
  apiRate: 500,
  apiBurst: 700,
  tenantRate: 100,
  publishConcurrency: 10,
  architecture: "arm64",
  subscriptionsMemory: 512,
  enqueueMemory: 1024,
  deliverMemory: 512,
  sweepMemory: 1024,
  warmReadUnits: 12000,
  warmWriteUnits: 4000,
  alarmTopicArn: "arn:aws:sns:eu-central-1:123456789012:alarms",
  operatorTopicArn: "arn:aws:sns:eu-central-1:123456789012:operations",
  webhooksPerTenant: 50,
  metricTenants: 5,
  logRetentionDays: 90,
  tracing: "Active",
  corsOrigins: ["https://app.example.com"],
  permissionsBoundary: "arn:aws:iam::123456789012:policy/boundary",
  tableProtection: false,
};

/** What the stack of these parameters is made of. */
function synthesized(parameters?: RungParameters, more = {}) {
  const app = new App();
  const stack = new RungStack(app, "rung", { ...(parameters && { parameters }), ...more });
  return { app, stack, template: Template.fromStack(stack).toJSON() };
}

test("without properties it is the template, but for where the code is", () => {
  const { template } = synthesized();
  const plain = new Stack(new App(), "rung");
  new CfnInclude(plain, "Template", { templateFile: join(RELEASE, "rung.yaml") });
  const expected = Template.fromStack(plain).toJSON();
  for (const resource of [template, expected].flatMap(({ Resources }) => Object.values<any>(Resources))) {
    delete resource.Properties.CodeUri;
    delete resource.Properties.ContentUri;
  }
  assert.deepEqual(template, expected);
});

test("every parameter is a property, and no other", () => {
  const names = Object.keys(synthesized().template.Parameters).filter((name) => name !== BOOTSTRAP);
  assert.deepEqual(names.map((name) => name[0]!.toLowerCase() + name.slice(1)).sort(), Object.keys(ALL).sort());
});

test("what is given is no parameter any more, and stands where it was", () => {
  const { template } = synthesized(ALL);
  assert.deepEqual(Object.keys(template.Parameters), [BOOTSTRAP]);
  const { RUNG_RETENTION_DAYS, RUNG_STRICT } = template.Globals.Function.Environment.Variables;
  assert.deepEqual([RUNG_RETENTION_DAYS, RUNG_STRICT], ["60", "false"]);
  assert.deepEqual(template.Resources.DeliverQueue.Properties.VisibilityTimeout, { "Fn::FindInMap": ["Visibility", "10", "Seconds"] });
  assert.equal(template.Resources.Deliver.Properties.MemorySize, 512);
  assert.deepEqual(template.Resources.Deliver.Properties.VpcConfig["Fn::If"][1].SubnetIds, ["subnet-0a", "subnet-0b"]);
});

test("the zips are its assets", () => {
  const { app, template } = synthesized();
  const { files } = JSON.parse(readFileSync(join(app.outdir, "rung.assets.json"), "utf8"));
  for (const [resource, uri, zip] of [
    ["Subscriptions", "CodeUri", "subscriptions.zip"],
    ["Enqueue", "CodeUri", "enqueue.zip"],
    ["Deliver", "CodeUri", "deliver.zip"],
    ["Sweep", "CodeUri", "sweep.zip"],
    ["DialectLayer", "ContentUri", "dialects.zip"],
  ] as const) {
    const location = template.Resources[resource].Properties[uri];
    const key: string = location.Key;
    const { source } = files[key.replace(".zip", "")];
    const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
    assert.equal(digest(join(app.outdir, source.path)), digest(join(RELEASE, zip)), resource);
  }
});

test("own dialects take the place of the empty layer", () => {
  const own = synthesized(undefined, { dialects: import.meta.dirname }).template.Resources.DialectLayer.Properties.ContentUri;
  assert.notDeepEqual(own, synthesized().template.Resources.DialectLayer.Properties.ContentUri);
});

test("the operator's key and the address are at hand", () => {
  const { stack } = synthesized();
  assert.deepEqual(stack.resolve(stack.adminKey.secretArn), { Ref: "AdminKey" });
  assert.match(JSON.stringify(stack.resolve(stack.apiUrl)), /execute-api/);
});

test("a network, a bus, topics and a key of another stack are in no condition and no rule", () => {
  const app = new App();
  const other = new Stack(app, "other");
  // Under `exactOptionalPropertyTypes`, CDK's `Vpc` is not assignable to its `IVpc` without a cast.
  const vpc = new Vpc(other, "Vpc") as IVpc;
  const { topicArn } = new Topic(other, "Topic");
  const stack = new RungStack(app, "rung", {
    parameters: {
      egress: "vpc",
      subnetIds: vpc.privateSubnets.map(({ subnetId }) => subnetId),
      securityGroupIds: [new SecurityGroup(other, "Group", { vpc }).securityGroupId],
      eventBus: new EventBus(other, "Bus").eventBusName,
      eventQueue: "on",
      eventQueueTopics: [topicArn],
      alarmTopicArn: topicArn,
      operatorTopicArn: topicArn,
      kmsKeyArn: new Key(other, "Key").keyArn,
    },
  });
  const { Conditions, Rules, Resources } = Template.fromStack(stack).toJSON();
  assert.doesNotMatch(JSON.stringify([Conditions, Rules]), /ImportValue/);
  for (const name of ["FromBus", "FromTopics", "Alarmed", "TellsTopic", "OwnKmsKey"]) assert.deepEqual(Conditions[name], { "Fn::Equals": ["given", "given"] }, name);
  assert.deepEqual(Conditions.DefaultBus, { "Fn::Equals": ["given", "special"] });
  assert.equal(Rules.VpcNeedsItsIds, undefined);
  assert.ok(Rules.WarmNeedsBoth);
  assert.match(JSON.stringify(Resources.DeliverQueue.Properties.KmsMasterKeyId), /ImportValue/);
  assert.match(JSON.stringify(Resources.Deliver.Properties.VpcConfig), /ImportValue/);
});

test("a value that decides what the stack is made of is known before", () => {
  const app = new App();
  const egress = new Topic(new Stack(app, "other"), "Topic").topicName as "vpc";
  const message = "parameters.egress: the value must be known when the stack is synthesized";
  assert.throws(() => new RungStack(app, "rung", { parameters: { egress } }), { message });
});

test("what the template would not take is an error that names the property", () => {
  for (const [parameters, message] of [
    [{ retentionDays: 0 }, "parameters.retentionDays: 0 is not a number from 1 to 3650"],
    [{ apiRate: "many" }, 'parameters.apiRate: "many" is not a number from 1'],
    [{ batchWindowSeconds: 3 }, "parameters.batchWindowSeconds: 3 is not one of 0, 1, 2, 5, 10, 20, 30, 60, 120, 300"],
    [{ egress: "nat" }, 'parameters.egress: "nat" is not one of dynamic, vpc'],
    [{ kmsKeyArn: "alias/rung" }, 'parameters.kmsKeyArn: "alias/rung" is not the ARN of a KMS key of this region, or nothing'],
    [{ publicUrl: "http://example.com" }, 'parameters.publicUrl: "http://example.com" is not an https URL such as https://webhooks.example.com, or nothing'],
    [{ subnetIds: "subnet-0a" }, 'parameters.subnetIds: "subnet-0a" is not an array'],
    [{ colour: "red" }, "parameters.colour: there is no such parameter"],
  ] as [RungParameters, string][]) {
    assert.throws(() => synthesized(parameters), { message });
  }
});
