"""The story on the whole stack, while one part of it after the other dies, hangs, fills up or forgets.

Which fault comes when, and how long the story has been at work by then, is drawn by a seed: `ALMANAC_FAULT_SEED=7`.
`ALMANAC_FAULTS_AT_MOST=6` makes a short try of it, `ALMANAC_FAULTS_OF=disk` takes those with this in their name.
`ALMANAC_FAULTS_IN_A_ROW=3` lets three come before anybody looks: the same number in less time, and harder to bear.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace

import pytest

from almanac.config.home import REPOSITORY
from almanac.storage.access import VARIABLE
from tests.faults.disks import small_disk
from tests.faults.stack.clock import clock_of_a_machine
from tests.faults.stack.conftest import Harbours
from tests.faults.stack.injector import Fault, Injector
from tests.faults.stack.story import Story
from tests.faults.stack.table import Suffered, table
from tests.servers.door import Door
from tests.servers.s3 import S3Server
from tests.servers.stores import BUCKET

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_AT_WORK_S = 8.0  # a fault comes at most so long after the work has begun, or after the fault before it
_IN_A_ROW = int(os.environ.get("ALMANAC_FAULTS_IN_A_ROW", "1"))
_DISK_MB = 200
_ON_FOLDERS = {
    "task killed": 10,
    "task killed in its last try": 2,
    "worker killed": 6,
    "worker stopped for 20 s": 3,
    "scheduler killed": 4,
    "scheduler stopped for 20 s": 2,
    "triggerer killed": 3,
    "triggerer stopped for 20 s": 1,
    "dag-processor killed": 3,
    "dag-processor stopped for 20 s": 1,
    "api-server killed": 4,
    "api-server stopped for 20 s": 1,
    "mlflow killed": 4,
    "mlflow stopped for 20 s": 1,
    "PostgreSQL restarted": 2,
    "PostgreSQL crashed": 3,
    "Redis restarted, empty": 5,
    "disk of datasets full for 15 s": 3,
    "disk of backups full for 15 s": 3,
    "clock jumps an hour": 4,
}
# Of these somebody is told even if no task was hurt.
_ALWAYS_TOLD = (
    "task killed in",
    "worker killed",
    "scheduler k",
    "triggerer k",
    "dag-processor k",
    "PostgreSQL",
    "Redis",
    "clock",
    "disk",
)
_ON_STORES = {"object store refuses for 30 s": 4, "mlflow killed": 1, "worker killed": 1, "task killed": 1}


def _drawn(counts: Mapping[str, int], faults: Mapping[str, Fault], draw: random.Random) -> list[Fault]:
    names = [name for name, times in counts.items() for _ in range(times) if name in faults]
    names = [name for name in names if os.environ.get("ALMANAC_FAULTS_OF", "") in name]
    assert names, "no fault has what ALMANAC_FAULTS_OF says in its name"
    draw.shuffle(names)
    return [faults[name] for name in names[: int(os.environ.get("ALMANAC_FAULTS_AT_MOST", "1000"))]]


def _suffer(story: Story, number: int, faults: list[Fault], draw: random.Random) -> list[Suffered]:
    """Faults in the middle of work, and what must be true when all of it is over.

    What several in a row have done together stands in the last one's row.
    """
    count = len(story.sink.received)
    story.work(number, next((fault.needs for fault in faults if fault.needs == "backup"), ""))
    began = []
    for fault in faults:
        pause = draw.uniform(0, _AT_WORK_S)
        time.sleep(0 if fault.at_once else pause)
        began.append(time.monotonic())
        fault.happen()
    story.settle()
    ended = time.monotonic()
    story.look_after_alerts()
    together = _found(story, faults, count)
    story.clear_what_failed()
    alone = [Suffered(fault.name, ended - at) for fault, at in zip(faults, began, strict=True)]
    return [*alone[:-1], replace(together, recovered_s=alone[-1].recovered_s)]


def _found(story: Story, faults: list[Fault], told: int) -> Suffered:
    lost, doubled = story.lost_and_doubled()
    disturbed = story.disturbed()
    # A round that looks after alerts and fails is made good by the next one.
    failed = [one for one in disturbed if one[2] == "failed" and one[0] != "alerts"]
    messages = story.sink.received[told:]
    wrong = [*story.faults_of_versions(), *story.faults_of_snapshots()]
    wrong += [f"nobody was told of {one}" for one in failed if not any(one[0] in str(message) for message in messages)]
    if any(fault.name.startswith(kind) for kind in _ALWAYS_TOLD for fault in faults) and not messages:
        wrong.append("nobody was told")
    return Suffered(
        faults[-1].name, 0.0, len(disturbed) - len(failed), len(failed), len(messages), lost, doubled, tuple(wrong)
    )


def _harm(story: Story, faults: list[Fault], draw: random.Random, tell: Callable[[str], object]) -> list[object]:
    """What the faults have done that was not made good again: their rows of the table, and damaged snapshots."""
    rows: list[Suffered] = []
    started = time.monotonic()
    try:
        for number, first in enumerate(range(0, len(faults), _IN_A_ROW)):
            suffered = _suffer(story, number, faults[first : first + _IN_A_ROW], draw)
            rows += suffered
            tell(f"{len(rows):3} of {len(faults)}  {time.monotonic() - started:5.0f} s  {suffered}")
        harmful = [row for row in rows if row.lost or row.doubled or row.wrong]
        return [*harmful, *story.faults_of_snapshots(level=3)]
    finally:
        if rows:
            tell(f"\n{len(rows)} faults in {time.monotonic() - started:.0f} s\n\n{table(rows)}\n")


def test_stack_on_folders_loses_and_doubles_nothing(
    harbours: Harbours, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(seed)
    root = harbours.root()
    with ExitStack() as disks:
        home = root / "volumes" / "home"
        full = {name: disks.enter_context(small_disk(home / name, _DISK_MB)) for name in ("datasets", "backups")}
        disks.callback(harbours.close)  # before the disks go
        clock = disks.enter_context(clock_of_a_machine())
        story = harbours.open(root, draw, {}, everywhere=clock.environment)
        faults = Injector(story.stack, draw, disks=full, clock=clock).faults()
        harm = _harm(story, _drawn(_ON_FOLDERS, faults, draw), draw, lambda text: _say(capsys, text))
    assert harm == []


def test_stack_on_an_object_store_loses_and_doubles_nothing(
    harbours: Harbours,
    s3_server: S3Server,
    seed: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = random.Random(seed)
    root = harbours.root()
    store = f"s3://{BUCKET}/{root.name}-{os.getpid()}"
    with Door(s3_server.url) as door:
        keys = {**s3_server.environment, "AWS_ENDPOINT_URL": door.url, "AWS_DEFAULT_REGION": "eu-north-1"}
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        connection = {
            "conn_type": "generic",
            "login": s3_server.access_key,
            "password": s3_server.secret_key,
            "extra": {"region_name": keys["AWS_REGION"], "endpoint_url": door.url},
        }
        story = harbours.open(
            root,
            draw,
            {VARIABLE: json.dumps(connection)},
            mlflow=keys,
            overrides=[REPOSITORY / "docker-compose.objects.yaml"],
            values={"ALMANAC_STORE": store, "ALMANAC_ARTIFACT_STORE": f"{store}/mlartifacts"},
        )
        faults = Injector(story.stack, draw, door=door).faults()
        harm = _harm(story, _drawn(_ON_STORES, faults, draw), draw, lambda text: _say(capsys, text))
        harbours.close()  # before the door
    assert harm == []


def _say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
