"""What a registered version joined stays, like what it was trained on."""

import json
from datetime import UTC, datetime

from almanac.backup.retention.forget import plan_forget
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.manifest import Ref
from almanac.config.sections.retention.backup import Keep
from almanac.registry.records import ModelVersion, Tag
from tests.backup.repositories import MAKER, START, days, from_bytes, repository_at


class JoiningRegistry:
    """One version of the model `weather`, which joined version 0 of the dataset of `sky`."""

    def versions(self, model: str) -> list[ModelVersion]:
        tags = {Tag.DATASET_VERSION: "7", Tag.JOINED_VERSIONS: json.dumps({"sky": 0})}
        return [ModelVersion(model, "run", tags, version="1")]

    def aliases(self, model: str) -> dict[str, str]:
        return {"champion": "1"}


def test_snapshot_of_a_joined_dataset_is_pinned_by_the_version_that_joined_it(tmp_path) -> None:
    repository = repository_at(tmp_path / "backups")

    def add(day: int) -> Ref:
        draft = Draft("dataset/sky", [from_bytes("file", bytes([day]) * 100)], {"readable_versions": [day]})
        return take(repository, draft, maker=MAKER, clock=lambda: START + days(day)).ref

    joined, unused, newest = map(add, range(3))
    plan = plan_forget(
        repository, lambda _: Keep(last=1, min_keep=1), JoiningRegistry(), models=["weather"], now=datetime.now(UTC)
    )
    reasons = {choice.ref: choice.reasons for choice in plan.choices}
    assert set(plan.going) == {unused}
    assert reasons[joined] == ("what weather@1 (champion) joined",)
    assert newest not in plan.going
