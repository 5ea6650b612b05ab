/** Rung's stack for AWS CDK applications. */

import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { Fn, Stack, Token, Validations, type StackProps } from "aws-cdk-lib";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { CfnFunction, CfnLayerVersion } from "aws-cdk-lib/aws-sam";
import { Secret, type ISecret } from "aws-cdk-lib/aws-secretsmanager";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import type { Construct } from "constructs";
import { RULES, type Rule, type RungParameters } from "./parameters.js";

export type { RungParameters } from "./parameters.js";

export interface RungStackProps extends StackProps {
  /** The template's parameters. */
  readonly parameters?: RungParameters | undefined;
  /** A folder of your own dialect files and certificates, which the functions see as `/opt`: name them in `dialectFiles` and `caFiles`. */
  readonly dialects?: string | undefined;
  /** A folder with the files of a release. @default - those that come with this package */
  readonly release?: string | undefined;
}

const RELEASE = fileURLToPath(new URL("../release", import.meta.url));

/**
 * All of Rung: an HTTP API, four functions, a table, queues, secrets, alarms.
 *
 * It is a stack of its own, because the names of everything in it begin with the stack's.
 */
export class RungStack extends Stack {
  /** Where the API and the dashboard are. */
  readonly apiUrl: string;
  /** The secret that holds the operator's first key. */
  readonly adminKey: ISecret;
  /** The template, for everything else in it: `template.getResource("Table")`. */
  readonly template: CfnInclude;

  constructor(scope: Construct, id: string, { parameters = {}, dialects, release = RELEASE, ...props }: RungStackProps = {}) {
    super(scope, id, props);
    this.template = new CfnInclude(this, "Template", { templateFile: join(release, "rung.yaml"), parameters: values(parameters) });
    this.takeTokens(parameters);
    for (const name of ["Subscriptions", "Enqueue", "Deliver", "Sweep"]) {
      const lambda = this.resource(name, CfnFunction);
      lambda.codeUri = uploaded(lambda, join(release, `${name.toLowerCase()}.zip`));
    }
    const layer = this.resource("DialectLayer", CfnLayerVersion);
    layer.contentUri = uploaded(layer, dialects ?? join(release, "dialects.zip"));

    this.apiUrl = Token.asString(this.template.getOutput("ApiUrl").value);
    const secretCompleteArn = this.template.getResource("AdminKey").ref;
    this.adminKey = Secret.fromSecretAttributes(this, "AdminKeySecret", { secretCompleteArn });

    Validations.of(this).acknowledge(
      { id: "CloudFormation-Validate::W1030", reason: "Parameters that are empty by default are used on a condition alone." },
      { id: "CloudFormation-Validate::W9003", reason: "What is given here is a string, as the value of a parameter is." },
      { id: "CloudFormation-Validate::W8003", reason: "The conditions on parameters that are given here are constant." },
    );
  }

  /**
   * Takes values that are known at deployment alone out of conditions and rules. Those of another stack are `Fn::ImportValue` there, which
   * CloudFormation refuses. Whatever is given is not empty, nor what the account has by itself.
   */
  private takeTokens(parameters: RungParameters): void {
    const tokens = (Object.keys(parameters) as (keyof RungParameters)[]).filter((property) => isToken(parameters[property]));
    for (const property of tokens) {
      const { allowed, given, special }: Rule = RULES[property];
      if (allowed !== undefined && special.length > 0) throw new Error(`parameters.${property}: the value must be known when the stack is synthesized`);
      for (const name of given) this.template.getCondition(name).expression = Fn.conditionEquals("given", "given");
      for (const name of special) this.template.getCondition(name).expression = Fn.conditionEquals("given", "special");
    }
    for (const name of new Set(tokens.flatMap((property) => RULES[property].rules))) {
      const { node } = this.template.getRule(name);
      node.scope?.node.tryRemoveChild(node.id);
    }
  }

  private resource<T>(name: string, type: abstract new (...args: never[]) => T): T {
    const resource = this.template.getResource(name);
    if (resource instanceof type) return resource;
    throw new Error(`rung.yaml: ${name} is no ${type.name}`);
  }
}

/** Whether a value, or one of a list, is known at deployment alone. */
function isToken(value: unknown): boolean {
  return Token.isUnresolved(value) || (Array.isArray(value) && value.some((it) => Token.isUnresolved(it)));
}

/** Where CDK puts a zip or a folder. CDK takes files of the same size and time for the same; what packages bring has the same time. */
function uploaded(scope: Construct, path: string): { bucket: string; key: string } {
  const assetHash = statSync(path).isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : undefined;
  const { s3BucketName: bucket, s3ObjectKey: key } = new Asset(scope, "Code", { path, ...(assetHash && { assetHash }) });
  return { bucket, key };
}

/** The parameters as CloudFormation takes them, by their names. */
function values(parameters: RungParameters): Record<string, string | string[]> {
  const given: Record<string, string | string[]> = {};
  for (const [property, value] of Object.entries(parameters) as [keyof RungParameters, unknown][]) {
    const rule: Rule | undefined = RULES[property];
    if (rule === undefined) throw new Error(`parameters.${property}: there is no such parameter`);
    if (value === undefined) continue;
    check(property, rule, value);
    given[rule.name] = Array.isArray(value) ? value.map(String) : isToken(value) ? Token.asString(value) : String(value);
  }
  return given;
}

/** What CloudFormation checks of its parameters: here they are none any more. */
function check(property: string, { type, allowed, pattern, problem, min, max }: Rule, value: unknown): void {
  if (Token.isUnresolved(value)) return;
  const wrong = (what: string): never => {
    throw new Error(`parameters.${property}: ${JSON.stringify(value)} is not ${what}`);
  };
  if (type === "CommaDelimitedList") {
    if (!Array.isArray(value)) wrong("an array");
  } else if (allowed !== undefined) {
    if (!allowed.map(String).includes(String(value))) wrong(`one of ${allowed.join(", ")}`);
  } else if (type === "Number") {
    if (typeof value !== "number" || !(value >= (min ?? -Infinity) && value <= (max ?? Infinity))) {
      wrong(`a number ${max === undefined ? `from ${min}` : `from ${min} to ${max}`}`);
    }
  } else if (typeof value !== "string" || !new RegExp(pattern ?? "").test(value)) {
    wrong(problem ?? (pattern === undefined ? "a string" : `matched by ${pattern}`));
  }
}
