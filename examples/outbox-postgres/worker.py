"""Publishes the rows of an outbox, at least once; as each has an id, Rung accepts it once. Any number of workers may run.

    DATABASE_URL=postgresql://… RUNG_URL=https://… RUNG_KEY=ro_… python worker.py

The key is an operator's with the scope `publish`: each row names its tenant.
"""

import os
import time
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from rung import PublishFailed, PublishResult, Rung
from rung.types import PublishEventRequest

BATCH = 100
IDLE_S = 1.0

TAKE = """
    SELECT position, id, tenant, type, data, created_at FROM outbox WHERE refused IS NULL
    ORDER BY position LIMIT %s FOR UPDATE SKIP LOCKED
"""


def publish_some(database: psycopg.Connection[dict[str, Any]], rung: Rung) -> int:
    """Publishes up to a batch of rows and returns how many are done with.

    The rows stay locked until the answer is stored. If the worker dies in between, they are published again, with the same ids.
    """
    with database.transaction():
        rows = database.execute(TAKE, [BATCH]).fetchall()
        results: list[PublishResult | None]
        try:
            results = list(rung.events.publish_batch([event(row) for row in rows]))
        except PublishFailed as failed:
            # What has no result stays for the next round.
            print(failed, flush=True)
            results = list(failed.results)
        done = 0
        for row, result in zip(rows, results, strict=True):
            if result is None:
                continue
            if result["success"]:
                database.execute("DELETE FROM outbox WHERE position = %s", [row["position"]])
            elif result["error"]["retryable"]:
                continue
            else:
                database.execute(
                    "UPDATE outbox SET refused = %s WHERE position = %s", [Jsonb(result["error"]), row["position"]]
                )
            done += 1
    return done


def event(row: dict[str, Any]) -> PublishEventRequest:
    """The event of a row: the same every time, or Rung would take it for another one under the same id."""
    return {
        "id": str(row["id"]),
        "tenant": row["tenant"],
        "type": row["type"],
        "data": row["data"],
        "timestamp": row["created_at"].isoformat(),
    }


def main() -> None:
    with (
        psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row, autocommit=True) as database,
        Rung(os.environ["RUNG_URL"], os.environ["RUNG_KEY"]) as rung,
    ):
        while True:
            if publish_some(database, rung) == 0:
                time.sleep(IDLE_S)


if __name__ == "__main__":
    main()
