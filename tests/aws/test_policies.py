"""The judge of policies itself: it must be able to say no. What the functions really did is judged at the end of test_stack.py."""

import pytest

from policies import Call, by_lambda, granted, refused, unused
from test_template import FUNCTIONS

PARKED = frozenset({"Q#29333333#7", "C#7"})


@pytest.mark.parametrize(
    "function,call",
    [
        ("Sweep", Call("dynamodb:Query", "Table", PARKED)),
        ("Deliver", Call("sqs:SendMessage", "RetryQueue")),
        ("Enqueue", Call("secretsmanager:GetSecretValue", "AdminKey")),
        ("Deliver", Call("secretsmanager:GetSecretValue", "EncryptionKeys")),
        ("Subscriptions", Call("dynamodb:Query", "Table/index/lists")),
        ("Deliver", Call("sns:Publish", "OperatorTopicArn")),
    ],
)
def test_what_is_granted_passes(function, call):
    assert refused(function, [call]) == []


@pytest.mark.parametrize(
    "function,call",
    [
        ("Sweep", Call("dynamodb:Query", "Table", PARKED | {"K#hash"})),
        ("Sweep", Call("dynamodb:Query", "Table")),
        ("Sweep", Call("dynamodb:PutItem", "Table", PARKED)),
        ("Deliver", Call("dynamodb:DeleteItem", "Table", frozenset({"T#acme"}))),
        ("Deliver", Call("secretsmanager:GetSecretValue", "AdminKey")),
        ("Enqueue", Call("secretsmanager:GetSecretValue", "EncryptionKeys")),
        ("Sweep", Call("secretsmanager:GetSecretValue", "EncryptionKeys")),
        ("Deliver", Call("sqs:SendMessage", "RetryDeadQueue")),
        ("Enqueue", Call("sqs:SendMessage", "RetryQueue")),
        ("Enqueue", Call("sns:Publish", "OperatorTopicArn")),
        ("Enqueue", Call("dynamodb:Query", "Table/index/lists")),
        ("Subscriptions", Call("dynamodb:Scan", "Table")),
    ],
)
def test_what_is_not_granted_is_named(function, call):
    (sentence,) = refused(function, [call])
    assert function in sentence and call.action in sentence and call.resource in sentence


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_right_that_nobody_takes_is_named(function):
    idle = unused(function, [])
    assert len(idle) == len(granted(function).keys() - by_lambda(function)) > 0
    assert all(sentence.startswith(f"{function} may ") for sentence in idle)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lambda_has_the_rights_it_needs_for_a_function(function):
    assert by_lambda(function) <= granted(function).keys()
