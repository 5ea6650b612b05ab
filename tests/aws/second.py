"""A second stand-in for DynamoDB (moto), written by other people: what both take, DynamoDB is likely to take.

It isn't safe under parallel transactions, so the calls of the functions are recorded on the first one and played here one by one.
"""

import base64
import collections

import boto3
import botocore.exceptions
from botocore import xform_name
from moto import mock_aws

from template import resources

# That a condition does not hold is an answer, too, and here they hold at other times.
ANSWERS = {"ConditionalCheckFailedException", "TransactionCanceledException"}


# Calls that differ in their values alone are played so often: it takes its time.
PLAYED = 5


def played(requests, table):
    """Plays some calls of each shape in their order: how many there were of each kind, and what was said against any."""
    counts, shapes, refusals = collections.Counter(), collections.Counter(), []
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        create_table(dynamodb, table)
        for call, asked in requests:
            key = f"{call} {shape(asked)}"
            shapes[key] += 1
            if shapes[key] > PLAYED:
                continue
            counts[call] += 1
            try:
                getattr(dynamodb, xform_name(call))(**with_bytes(asked))
            except botocore.exceptions.ClientError as error:
                code = error.response["Error"]["Code"]
                if code not in ANSWERS or "ValidationError" in str(error):
                    refusals.append(f"{call}: {error}")
            except botocore.exceptions.ParamValidationError as error:
                refusals.append(f"{call}: {error}")
    return counts, refusals


def shape(asked):
    """What a call asks for without its values: expressions, and the names and types of everything else."""
    if isinstance(asked, list):
        return sorted({str(shape(it)) for it in asked})
    if not isinstance(asked, dict):
        return type(asked).__name__
    return {name: value if name.endswith("Expression") or name == "IndexName" else shape(value) for name, value in sorted(asked.items())}


def create_table(dynamodb, name):
    """The table of the template."""
    (table,) = resources("AWS::DynamoDB::Table").values()
    names = ("AttributeDefinitions", "KeySchema", "BillingMode")
    indexes = [{key: index[key] for key in ("IndexName", "KeySchema", "Projection")} for index in table["Properties"]["GlobalSecondaryIndexes"]]
    dynamodb.create_table(TableName=name, GlobalSecondaryIndexes=indexes, **{key: table["Properties"][key] for key in names})


def with_bytes(asked):
    """A recorded call as the client takes it: bytes are in base64 on the wire."""
    if isinstance(asked, list):
        return [with_bytes(it) for it in asked]
    if not isinstance(asked, dict):
        return asked
    if asked.keys() == {"B"} and isinstance(asked["B"], str):
        return {"B": base64.b64decode(asked["B"])}
    return {key: with_bytes(value) for key, value in asked.items()}
