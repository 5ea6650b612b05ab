"""The files of a release are all that a deployment takes: installed from them alone by the commands of docs/upgrade.md, upgraded with
traffic on it, and rolled back.

No version of Rung is out. So the release before is made of the files of this one: the same code in other bytes, under another version.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

from bed import ARCHITECTURE, BUCKET, STACK, Bed, binaries, eventually, on_stand_in
from receiver import Receiver, standard_signature
from template import ROOT
from test_stack import Api, Tenant, dead_letters, depth

DIALECT = Path(__file__).parent / "dialects" / "brisk.toml"
PARAMETERS = ["StrictUrls=false", f"DialectFiles={DIALECT}"]
FUNCTIONS = ["deliver", "enqueue", "subscriptions", "sweep"]
(CHECK, SAM), AWS = [
    re.findall(r"^[^#\s].*", block, re.M)
    for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/upgrade.md").read_text(), re.M | re.S)[:2]
]


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    bed = Bed(tmp_path_factory.mktemp("bed"))
    bed.create_bucket()
    yield bed
    bed.stop()


@pytest.fixture(scope="module")
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def now(tmp_path_factory):
    """The files of this version."""
    folder = tmp_path_factory.mktemp("release")
    built = folder / "built"
    for name, path in binaries().items():
        (built / name).mkdir(parents=True)
        os.symlink(path, built / name / "bootstrap")
    packed = folder / "packed"
    # The command is not needed here; packing takes one.
    flags = ["--functions", built, "--architecture", ARCHITECTURE, "--rung", "x86_64-unknown-linux-gnu=/bin/true", "--out", packed]
    subprocess.run([ROOT / "tools/release", *flags], check=True)
    return packed


@pytest.fixture(scope="module")
def before(now, tmp_path_factory):
    """The files of the version before."""
    packed = tmp_path_factory.mktemp("before") / "packed"
    shutil.copytree(now, packed)
    for name in FUNCTIONS:
        with zipfile.ZipFile(packed / f"{name}.zip", "a") as archive:
            archive.comment = b"0.0.0"
    template = packed / "rung.yaml"
    text, versions = re.subn(r"(SemanticVersion: ).+", r"\g<1>0.0.0", template.read_text())
    text, descriptions = re.subn(r"(?m)^(Description: .+)", r"\1 0.0.0", text)
    assert (versions, descriptions) == (1, 1)
    template.write_text(text)
    return packed


def put(bed, files, commands, parameters=()):
    """Deploys the files of a release by documented commands."""
    template = files / "rung.yaml"
    kept = template.read_bytes()
    mended = on_stand_in(yaml_parse(kept.decode()))
    # Unlike Lambda, the stand-in ends a function in the middle of its work when its code is replaced. What it held comes again after this.
    mended["Mappings"]["Visibility"]["0"]["Seconds"] = 10
    template.write_text(json.dumps(mended))
    try:
        *others, last = [command.replace("BUCKET", BUCKET) for command in commands]
        for command in others:
            bed.run(files, "sh", "-c", command)
        bed.run(files, "sh", "-c", " ".join([last, *(["--parameter-overrides", *parameters] if parameters else [])]))
    finally:
        template.write_bytes(kept)
    for name in FUNCTIONS:
        code = bed.client("lambda").get_function_configuration(FunctionName=bed.function(name))["CodeSha256"]
        assert code == base64.b64encode(hashlib.sha256((files / f"{name}.zip").read_bytes()).digest()).decode(), name
    bed.complete()


class Traffic(threading.Thread):
    """A backend that publishes one event after another, each until it is accepted."""

    def __init__(self, tenant):
        super().__init__(daemon=True)
        self.tenant, self.accepted, self.refused, self.ended = tenant, [], [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            event = {"id": f"event-{len(self.accepted)}", "type": "order.created", "data": {}}
            status, answer = self.tenant.bed.call("POST", "/v1/events", event, self.tenant.headers)
            if status == 202:
                self.accepted.append(event["id"])
            elif status < 500:
                self.refused.append((status, answer))
            self.ended.wait(0.05)

    def goes_on(self):
        """Waits until it has got on a good deal."""
        count = len(self.accepted) + 20
        eventually(lambda: len(self.accepted) >= count, f"nothing is accepted: {self.refused[-1:]}")

    def end(self):
        self.ended.set()
        self.join()
        assert self.refused == []
        return self.accepted


def test_a_release_is_upgraded_and_rolled_back_and_nothing_is_lost(bed, receiver, now, before):
    bed.run(now, "sh", "-c", CHECK)
    put(bed, before, AWS, PARAMETERS)
    secret = bed.client("secretsmanager").get_secret_value(SecretId=bed.outputs["AdminKeySecret"])
    tenant = Tenant(bed, Api(bed, secret["SecretString"]), "brisk")
    failed = set()

    def fails_at_first(arrival):
        """Refuses some events once, so that there are messages and rows of deliveries that go on."""
        event = arrival.headers["webhook-id"]
        if event in failed or not event.endswith(("0", "4", "8")):
            return 200
        failed.add(event)
        return 500

    webhook = tenant.webhook(receiver.scripted("/traffic", fails_at_first))
    traffic = Traffic(tenant)
    traffic.start()
    traffic.goes_on()
    put(bed, now, [SAM])
    traffic.goes_on()
    put(bed, before, AWS)
    traffic.goes_on()
    accepted = set(traffic.end())
    eventually(lambda: depth(bed, "DeliverQueueUrl") + depth(bed, "RetryQueueUrl") == 0, "not all is done", 60)
    assert {it.headers["webhook-id"] for it in receiver.arrived["/traffic"]} == accepted
    assert all(it.headers["webhook-signature"] == standard_signature(it, webhook["secret"]) for it in receiver.arrived["/traffic"])
    assert dead_letters(bed) == dead_letters(bed, "RetryDeadQueueUrl") == []
    assert tenant("GET", f"/v1/webhooks/{webhook['id']}/deliveries?status=pending,failed")["deliveries"] == []
    assert len(failed) > 10
