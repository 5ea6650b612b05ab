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


def played(requests, table):
    """Plays calls in the order of their times: how many there were of each kind, and what was said against any."""
    counts, refusals = collections.Counter(), []
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        create_table(dynamodb, table)
        for call, asked in requests:
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
