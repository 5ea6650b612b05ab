"""What the functions may do by the template's policies, held against what they did."""

import collections
import fnmatch

from template import resources, statements, target, transformed

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
RECEIVE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

# A call: its action, the logical id of its resource, and the partition keys that it names.
Call = collections.namedtuple("Call", "action resource keys", defaults=[frozenset()])


def listed(value):
    return value if isinstance(value, list) else [value]


def named(resource):
    """A statement's resource as calls name it: by logical id, an index of a table after a slash."""
    if resource == "*":
        return resource
    return resource["Fn::Sub"].replace("${", "").replace(".Arn}", "") if "Fn::Sub" in resource else target(resource)


def granted(function):
    """The rights of a function's role, each with the prefixes that bound the partition keys, or None."""
    role = transformed()["Resources"][target(transformed()["Resources"][function]["Properties"]["Role"])]
    rights = {}
    for statement in statements(role):
        # KMS is asked by the services, and only with a key of the operator's own.
        if statement["Sid"] == "Key":
            continue
        condition = statement.get("Condition", {})
        bounds = condition.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
        known = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": bounds}} if bounds else {}
        assert condition == known, f"what does {condition} of {function} mean?"
        for resource in listed(statement["Resource"]):
            for action in listed(statement["Action"]):
                rights[action, named(resource)] = bounds
    return rights


def by_lambda(function):
    """The rights that Lambda itself uses in the function's name, so no call of the function's shows them."""
    used = {(action, "*") for action in TRACES}
    properties = transformed()["Resources"][function]["Properties"]
    used |= {(action, target(properties["LoggingConfig"]["LogGroup"])) for action in LOGS}
    for source in resources("AWS::Lambda::EventSourceMapping").values():
        if target(source["Properties"]["FunctionName"]) == function:
            used |= {(action, target(source["Properties"]["EventSourceArn"])) for action in RECEIVE}
    for config in resources("AWS::Lambda::EventInvokeConfig").values():
        destinations = config["Properties"].get("DestinationConfig", {})
        if target(config["Properties"]["FunctionName"]) == function and "OnFailure" in destinations:
            used.add(("sqs:SendMessage", target(destinations["OnFailure"]["Destination"])))
    return used


def refused(function, calls):
    """A sentence for each call that no statement allows."""
    rights = granted(function)
    sentences = set()
    for call in calls:
        right = (call.action, call.resource)
        if right not in rights:
            sentences.add(f"{function} calls {call.action} on {call.resource}, which its role does not allow")
        elif rights[right] is not None:
            within = lambda key: any(fnmatch.fnmatchcase(key, bound) for bound in rights[right])
            outside = sorted({key.split("#")[0] for key in call.keys if not within(key)})
            if outside or not call.keys:
                sentences.add(f"{function} calls {call.action} on rows {outside} of {call.resource}, its role allows {rights[right]}")
    return sorted(sentences)


def unused(function, calls):
    """A sentence for each right that neither a call nor Lambda itself needs."""
    needed = {(call.action, call.resource) for call in calls} | by_lambda(function)
    return sorted(f"{function} may {action} on {resource}, and nobody needs it to" for action, resource in granted(function).keys() - needed)
