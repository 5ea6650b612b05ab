"""The documented ways of deploying, by the real SAM on the stand-in: they need no answer but Enter, and none undoes another. And the
restore drill."""

import re
import shutil
import subprocess

import pytest

from bed import REGION, STACK, Bed
from template import ROOT

ALARMS = f"arn:aws:sns:{REGION}:000000000000:alarms"


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    bed = Bed(tmp_path_factory.mktemp("bed"))
    yield bed
    bed.stop()


@pytest.fixture(scope="module")
def checkout(bed, tmp_path_factory):
    return Checkout(bed, tmp_path_factory.mktemp("checkout"))


class Checkout:
    """A copy of what SAM reads of this tree. The functions' sources stand for their binaries, which nobody runs here."""

    def __init__(self, bed, path):
        self.bed, self.path = bed, path
        # The last two are named in the template's metadata.
        for name in ("samconfig.yaml", "LICENSE-APACHE", "README.md"):
            shutil.copy(ROOT / name, path)
        # The stand-in knows no alarms on sums of metrics.
        plain = "      Namespace: Sum\n      MetricName: Sum\n      Statistic: Sum\n      Period: 60\n"
        template = re.sub(r"^ {6}Metrics:\n(?: {8}.*\n)+", plain, (ROOT / "template.yaml").read_text(), flags=re.M)
        assert "Metrics:\n" not in template
        (path / "template.yaml").write_text(template)
        for name in ("functions", "dialects"):
            shutil.copytree(ROOT / name, path / name)
        (path / "docs").mkdir()
        shutil.copy(ROOT / "docs/restore", path / "docs")
        self.answers = path / "samconfig.toml"

    def run(self, *command, answer=""):
        return self.bed.run(self.path, *command, answer=answer)

    def deploy(self, *options, answer=""):
        said = self.run("sam", "deploy", *options, answer=answer)
        assert f"Successfully created/updated stack - {STACK}" in said, said
        return said

    def change(self, file, old, new):
        text = file.read_text()
        assert text.count(old) == 1, old
        file.write_text(text.replace(old, new))

    def upgrade(self, version):
        """What a new version brings: another template."""
        self.change(self.path / "template.yaml", "Transform:", f"# Version {version}\nTransform:")
        self.change(self.path / "template.yaml", "Rung's management API", f"{version} - Rung's management API")


def stack(bed, name):
    """A stack's outputs and parameters."""
    (found,) = bed.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return {it["OutputKey"]: it["OutputValue"] for it in found["Outputs"]}, {it["ParameterKey"]: it["ParameterValue"] for it in found["Parameters"]}


def test_deploying_takes_enter_alone_and_no_way_of_it_undoes_another(bed, checkout):
    kept = (ROOT / "samconfig.yaml").read_text()
    said = checkout.deploy("--guided")
    assert "authentication" not in said and "Saved arguments" in said
    outputs, parameters = stack(bed, STACK)
    assert (parameters["RetentionDays"], parameters["BatchSize"]) == ("30", "10")

    # The stand-in speaks plain http.
    for queue in ("DeliverQueueUrl", "DeliverDeadQueueUrl", "RetryQueueUrl", "RetryDeadQueueUrl"):
        with pytest.raises(bed.client("sqs").exceptions.ClientError, match="AccessDenied"):
            bed.client("sqs").send_message(QueueUrl=outputs[queue], MessageBody="{}")

    # What was answered is the operator's own: a pull of the next version changes none of it.
    assert (checkout.path / "samconfig.yaml").read_text() == kept
    assert subprocess.run(["git", "check-ignore", "--quiet", "samconfig.toml"], cwd=ROOT).returncode == 0
    assert subprocess.run(["git", "ls-files", "--error-unmatch", "samconfig.toml"], cwd=ROOT, capture_output=True).returncode != 0

    checkout.change(checkout.answers, r' = "RetentionDays=\"30\"', r' = "RetentionDays=\"60\"')
    checkout.change(checkout.answers, r'AlarmTopicArn=\"\"', rf'AlarmTopicArn=\"{ALARMS}\"')
    checkout.upgrade("next")
    checkout.deploy("--confirm-changeset", answer="y")
    checkout.upgrade("the one after")
    checkout.deploy("--guided")
    _, parameters = stack(bed, STACK)
    function = bed.client("lambda").get_function_configuration(FunctionName=bed.function("Subscriptions"))
    assert (parameters["RetentionDays"], parameters["BatchSize"]) == ("60", "10")
    assert function["Environment"]["Variables"]["RUNG_RETENTION_DAYS"] == "60"
    assert function["Description"].startswith("next - the one after - ")


def test_a_restore_drill_makes_a_stack_of_the_same_data_that_delivers_nothing(bed, checkout):
    """After the test above, whose stack it restores."""
    dynamodb, secrets = bed.client("dynamodb"), bed.client("secretsmanager")
    old, kept = stack(bed, STACK)
    assert kept["AlarmTopicArn"] == ALARMS
    row = {"pk": {"S": "T#acme"}, "sk": {"S": "t"}}
    dynamodb.put_item(TableName=old["TableName"], Item=row)
    checkout.run("docs/restore", "--from", STACK, "--to", "drill")
    new, parameters = stack(bed, "drill")
    assert new["TableName"] == "drill-restored" != old["TableName"]
    assert dynamodb.scan(TableName=new["TableName"])["Items"] == [row]
    assert (parameters["RetentionDays"], parameters["Deliveries"], parameters["AlarmTopicArn"]) == ("60", "off", "")
    keys = [secrets.get_secret_value(SecretId=it["EncryptionKeysSecret"])["SecretString"] for it in (old, new)]
    assert keys[0] == keys[1]
    # What DynamoDB does not restore.
    assert dynamodb.describe_time_to_live(TableName=new["TableName"])["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    backups = dynamodb.describe_continuous_backups(TableName=new["TableName"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.describe_table(TableName=new["TableName"])["Table"]["DeletionProtectionEnabled"] is True
    # The stand-in calls every event source enabled that a stack makes; test_template.py holds them to the same parameter.
    assert bed.client("scheduler").get_schedule(Name="drill-sweep")["State"] == "DISABLED"
