//! What the functions may ask of AWS by the policies of `template.yaml`, for tests whose functions have clients of their own:
//! a call that a deployment would refuse is refused here, under the function's name.

use std::{collections::HashMap, sync::LazyLock};

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Value, json};

/// The rights of the functions' roles.
#[derive(Debug)]
pub struct Policies {
    /// By the function's name.
    rights: HashMap<String, Vec<Right>>,
    /// Logical ids of the queues by their names.
    queues: HashMap<String, String>,
}

/// An action on a resource; an index of a table stands after a slash.
#[derive(Debug)]
struct Right {
    action: String,
    resource: String,
    /// What every partition key must begin with one of, if that is bounded.
    partitions: Option<Vec<String>>,
}

impl Policies {
    /// Those of the template.
    pub fn of_template() -> &'static Self {
        static POLICIES: LazyLock<Policies> =
            LazyLock::new(|| Policies::read(include_str!("../../template.yaml")));
        &POLICIES
    }

    fn read(template: &str) -> Self {
        let documents = Yaml::load_from_str(template).expect("the template is YAML");
        let template = json(&documents[0]);
        let resources = template["Resources"]
            .as_object()
            .expect("the template has resources");
        let of_type = |kind: &'static str| resources.iter().filter(move |it| it.1["Type"] == kind);
        let functions = of_type("AWS::Serverless::Function").map(|(id, function)| {
            let role = &resources[logical_id(&function["Properties"]["Role"])];
            (id.to_lowercase(), rights(role))
        });
        let queues = of_type("AWS::SQS::Queue").map(|(id, queue)| {
            let name = queue["Properties"]["QueueName"]["Fn::Sub"].as_str();
            let name = name.and_then(|name| name.strip_prefix("${AWS::StackName}-"));
            (name.expect("named after the stack").to_owned(), id.clone())
        });
        Self {
            rights: functions.collect(),
            queues: queues.collect(),
        }
    }

    /// Whether a function may make a call: `target` is its `X-Amz-Target`.
    ///
    /// # Errors
    /// A sentence that names function, action and resource.
    pub fn check(&self, function: &str, target: &str, body: &[u8]) -> Result<(), String> {
        let (service, operation) = target.split_once('.').unwrap_or(("", target));
        let asked: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
        let calls = match service {
            "AmazonSQS" => vec![self.queue_call(operation, &asked)],
            _ => table_calls(operation, &asked),
        };
        for (action, resource, partitions) in calls {
            let rights = self.rights[function].iter();
            let mut rights =
                rights.filter(|right| right.action == action && right.resource == resource);
            if !rights.any(|right| right.covers(&partitions)) {
                return Err(format!(
                    "{function} calls {action} on {resource} {partitions:?}, which its role in template.yaml does not allow"
                ));
            }
        }
        Ok(())
    }

    fn queue_call(&self, operation: &str, asked: &Value) -> (String, String, Vec<String>) {
        let url = asked["QueueUrl"].as_str().unwrap_or_default();
        let name = url.rsplit('/').next().unwrap_or_default();
        let action = operation.strip_suffix("Batch").unwrap_or(operation);
        let resource = self.queues.get(name).map_or(name, String::as_str);
        (format!("sqs:{action}"), resource.to_owned(), Vec::new())
    }
}

impl Right {
    fn covers(&self, partitions: &[String]) -> bool {
        let within = |partition: &String| {
            self.partitions
                .as_ref()
                .is_none_or(|patterns| patterns.iter().any(|pattern| matches(pattern, partition)))
        };
        self.partitions.is_none() || !partitions.is_empty() && partitions.iter().all(within)
    }
}

/// What a call to the table takes: actions, their resource, and the partition keys that they name.
fn table_calls(operation: &str, asked: &Value) -> Vec<(String, String, Vec<String>)> {
    let call = |action: &str, parts: Vec<&Value>| {
        let index = asked["IndexName"].as_str();
        let resource = index.map_or_else(
            || "Table".to_owned(),
            |index| format!("Table/index/{index}"),
        );
        let partitions = parts.into_iter().filter_map(partition);
        (
            format!("dynamodb:{action}"),
            resource,
            partitions.collect::<Vec<_>>(),
        )
    };
    let members = |value: &'static str| asked[value].as_object().into_iter().flatten();
    match operation {
        "TransactWriteItems" => {
            let parts = asked["TransactItems"].as_array().into_iter().flatten();
            let parts = parts.flat_map(|part| part.as_object().into_iter().flatten());
            let parts = parts.map(|(kind, part)| match kind.as_str() {
                "ConditionCheck" => call("ConditionCheckItem", vec![part]),
                kind => call(&format!("{kind}Item"), vec![part]),
            });
            parts.collect()
        }
        "BatchWriteItem" => {
            let requests =
                members("RequestItems").flat_map(|(_, requests)| requests.as_array().into_iter());
            let parts = requests
                .flatten()
                .flat_map(|request| request.as_object().into_iter());
            vec![call(
                operation,
                parts
                    .flat_map(|request| request.values())
                    .collect::<Vec<_>>(),
            )]
        }
        "BatchGetItem" => {
            let keys =
                members("RequestItems").flat_map(|(_, keys)| keys["Keys"].as_array().into_iter());
            vec![call(operation, keys.flatten().collect::<Vec<_>>())]
        }
        _ => vec![call(operation, vec![asked])],
    }
}

/// The partition key that an item, a key, or a query's condition names.
fn partition(part: &Value) -> Option<String> {
    let row = [&part["Item"], &part["Key"], part]
        .into_iter()
        .find_map(|row| row["pk"]["S"].as_str());
    let queried = || {
        let condition = part["KeyConditionExpression"].as_str()?;
        let placeholder = condition.split(' ').nth(2)?;
        part["ExpressionAttributeValues"][placeholder]["S"].as_str()
    };
    row.or_else(queried).map(str::to_owned)
}

/// The rights that a role's policies give, those included that only some parameters bring.
fn rights(role: &Value) -> Vec<Right> {
    let policies = role["Properties"]["Policies"].as_array();
    let statements = policies
        .into_iter()
        .flatten()
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array());
    let mut rights = Vec::new();
    for statement in statements.flatten() {
        let statement = statement["Fn::If"].get(1).unwrap_or(statement);
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        // KMS is asked by the services, and only with a key of the operator's own.
        if statement["Sid"] == "Key" {
            continue;
        }
        let condition = &statement["Condition"];
        let partitions = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"].as_array();
        assert!(
            condition.is_null() || partitions.is_some(),
            "what does {condition} mean?"
        );
        for resource in listed(&statement["Resource"]) {
            for action in listed(&statement["Action"]) {
                rights.push(Right {
                    action: action.as_str().expect("actions are texts").to_owned(),
                    resource: named(resource),
                    partitions: partitions.map(|bounds| bounds.iter().map(pattern).collect()),
                });
            }
        }
    }
    rights
}

fn listed(value: &Value) -> &[Value] {
    value
        .as_array()
        .map_or_else(|| std::slice::from_ref(value), Vec::as_slice)
}

/// A partition key as a policy has it: whole, or a prefix and a star.
fn pattern(bound: &Value) -> String {
    bound.as_str().expect("partition keys are texts").to_owned()
}

fn matches(pattern: &str, partition: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => partition.starts_with(prefix),
        None => partition == pattern,
    }
}

/// A statement's resource by its logical id, or the parameter that names it.
fn named(resource: &Value) -> String {
    let text = |name| resource.get(name).unwrap_or(&Value::Null).as_str();
    match (resource.as_str(), text("Fn::Sub"), text("Ref")) {
        (Some(whole), ..) | (_, _, Some(whole)) => whole.to_owned(),
        (_, Some(index), _) => index.replacen("${", "", 1).replacen(".Arn}", "", 1),
        _ => logical_id(resource).to_owned(),
    }
}

/// The logical id that a `!GetAtt` names.
fn logical_id(reference: &Value) -> &str {
    let attribute = reference["Fn::GetAtt"].as_str();
    let id = attribute.and_then(|attribute| attribute.split('.').next());
    id.unwrap_or_else(|| panic!("{reference} is no attribute of a resource"))
}

/// YAML as JSON; CloudFormation's tags in their long form.
fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(text)) | Yaml::Representation(text, ..) => text.as_ref().into(),
        Yaml::Sequence(values) => values.iter().map(json).collect(),
        Yaml::Mapping(members) => members
            .iter()
            .map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), json(value)))
            .collect(),
        Yaml::Tagged(tag, value) if tag.suffix == "Ref" => json!({"Ref": json(value)}),
        Yaml::Tagged(tag, value) => json!({format!("Fn::{}", tag.suffix): json(value)}),
        Yaml::Alias(_) | Yaml::BadValue => panic!("the template is plain YAML"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(function: &str, target: &str, body: Value) -> Result<(), String> {
        Policies::of_template().check(function, target, body.to_string().as_bytes())
    }

    #[test]
    fn what_the_template_grants_passes() {
        for (function, target, body) in [
            (
                "deliver",
                "DynamoDB_20120810.UpdateItem",
                json!({"Key": {"pk": {"S": "D#t#w#e"}}}),
            ),
            (
                "deliver",
                "AmazonSQS.SendMessageBatch",
                json!({"QueueUrl": "http://127.0.0.1:1/0/retry"}),
            ),
            (
                "sweep",
                "DynamoDB_20120810.Query",
                json!({"KeyConditionExpression": "pk = :pk AND sk > :from", "ExpressionAttributeValues": {":pk": {"S": "Q#1#2"}}}),
            ),
            (
                "sweep",
                "DynamoDB_20120810.BatchWriteItem",
                json!({"RequestItems": {"rung": [{"DeleteRequest": {"Key": {"pk": {"S": "Q#1#2"}}}}]}}),
            ),
            (
                "sweep",
                "DynamoDB_20120810.GetItem",
                json!({"Key": {"pk": {"S": "E#acme#e"}}}),
            ),
            (
                "subscriptions",
                "DynamoDB_20120810.TransactWriteItems",
                json!({"TransactItems": [{"ConditionCheck": {"Key": {"pk": {"S": "T#t"}}}}, {"Delete": {"Key": {"pk": {"S": "T#t"}}}}]}),
            ),
        ] {
            check(function, target, body).unwrap();
        }
    }

    #[test]
    fn what_it_does_not_grant_is_refused_by_name() {
        for (function, target, body, named) in [
            (
                "deliver",
                "DynamoDB_20120810.DeleteItem",
                json!({"Key": {"pk": {"S": "T#t"}}}),
                "dynamodb:DeleteItem on Table",
            ),
            (
                "enqueue",
                "AmazonSQS.SendMessage",
                json!({"QueueUrl": "http://127.0.0.1:1/0/retry"}),
                "sqs:SendMessage on RetryQueue",
            ),
            (
                "enqueue",
                "DynamoDB_20120810.Query",
                json!({"IndexName": "lists"}),
                "dynamodb:Query on Table/index/lists",
            ),
            (
                "enqueue",
                "DynamoDB_20120810.TransactWriteItems",
                json!({"TransactItems": [{"Put": {"Item": {"pk": {"S": "T#t"}}}}, {"Delete": {"Key": {"pk": {"S": "T#t"}}}}]}),
                "dynamodb:DeleteItem on Table",
            ),
            (
                "sweep",
                "DynamoDB_20120810.GetItem",
                json!({"Key": {"pk": {"S": "K#hash"}}}),
                "K#hash",
            ),
            (
                "sweep",
                "DynamoDB_20120810.BatchWriteItem",
                json!({"RequestItems": {"rung": [{"PutRequest": {"Item": {"pk": {"S": "C#2"}}}}, {"PutRequest": {"Item": {"pk": {"S": "E#t#e"}}}}]}}),
                "E#t#e",
            ),
        ] {
            let sentence = check(function, target, body).unwrap_err();
            assert!(
                sentence.starts_with(&format!("{function} calls")) && sentence.contains(named),
                "{sentence}"
            );
        }
    }
}
