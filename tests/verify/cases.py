"""Runs one receiver's check over deliveries that arrived: a JSON list of {headers, body, secret} on standard input (the
body in base64), a JSON list of booleans on standard output. A check that raises would be a 500 to the sender: not accepted.
"""

import base64
import json
import sys


def judge(accepts):
    verdicts = []
    for case in json.load(sys.stdin):
        try:
            verdicts.append(bool(accepts(case["headers"], base64.b64decode(case["body"]), case["secret"])))
        except Exception:
            verdicts.append(False)
    json.dump(verdicts, sys.stdout)
