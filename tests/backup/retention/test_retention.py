"""Which snapshots stay. The grammar is restic's: restic itself is asked, where it is installed."""

import json
import random
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from almanac.backup.retention.retention import choose
from almanac.backup.store.manifest import Ref, format_time
from almanac.config.sections.retention.backup import Keep

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANSWERS = Path(__file__).with_name("restic_answers.json")
RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def ref_at(time: datetime) -> Ref:
    return Ref("dataset/weather", f"{format_time(time)}-{'a' * 64}")


def ago(**past: float) -> Ref:
    return ref_at(NOW - timedelta(**past))


def kept(refs: list[Ref], keep: Keep, **more) -> list[Ref]:
    return [choice.ref for choice in choose(refs, keep, now=NOW, **more) if choice.stays]


def test_keep_empty_is_refused() -> None:
    with pytest.raises(ValidationError, match="an empty policy keeps nothing"):
        Keep(min_keep=5)


def test_choose_unites_rules_and_says_why() -> None:
    refs = [ago(hours=hours) for hours in range(0, 96, 6)]
    choices = choose(refs, Keep(last=2, daily=3, min_keep=1), now=NOW)
    assert choices[0].reasons == ("last 2", "daily 3")
    assert choices[1].reasons == ("last 2",)
    assert [choice.ref.created.day for choice in choices if "daily 3" in choice.reasons] == [1, 31, 30]


def test_choose_ages_count_from_the_newest_snapshot_not_from_today() -> None:
    """Backups stopped a year ago: nothing expires by the mere passing of time."""
    refs = [ago(days=365 + days) for days in range(10)]
    assert len(kept(refs, Keep(within=timedelta(days=5), min_keep=1))) == 5


def test_choose_min_keep_is_a_floor() -> None:
    refs = [ago(minutes=minutes) for minutes in range(10)]
    choices = choose(refs, Keep(yearly=1, min_keep=4), now=NOW)
    assert [choice.stays for choice in choices] == [True] * 4 + [False] * 6
    assert choices[3].reasons == ("min_keep 4",)


def test_choose_pinned_stays_with_its_reason() -> None:
    old = ago(days=3000)
    choices = choose([old, *(ago(days=day) for day in range(5))], Keep(last=1, min_keep=1), now=NOW, pins={old: ["x"]})
    assert choices[-1].reasons == ("x",)


def test_choose_pinned_counts_for_the_floor_and_is_not_kept_by_it_too() -> None:
    refs = [ago(days=day) for day in range(5)]
    choices = choose(refs, Keep(yearly=1, min_keep=3), now=NOW, pins={refs[1]: ["x"]})
    assert [choice.reasons for choice in choices] == [("yearly 1",), ("x",), ("min_keep 3",), (), ()]


@pytest.mark.parametrize(
    ("seconds_ahead", "expected"), [(3600, "last 1"), (3601, "dated in the future: a clock was wrong")]
)
def test_choose_is_of_the_future_from_more_than_one_hour_ahead_on(seconds_ahead: int, expected: str) -> None:
    """Clocks of machines differ by less; such a one counts like any other."""
    (choice,) = choose([ago(seconds=-seconds_ahead)], Keep(last=1, min_keep=1), now=NOW)
    assert choice.reasons == (expected,)


def test_choose_future_neither_expires_nor_protects() -> None:
    future = ago(days=-400)
    refs = [ago(days=day) for day in range(10)]
    keep = Keep(last=2, within=timedelta(days=3), min_keep=2)
    assert kept([future, *refs], keep) == [future, *kept(refs, keep)]
    assert "dated in the future" in choose([future, *refs], keep, now=NOW)[0].reasons[0]


def test_choose_agrees_with_what_restic_answered() -> None:
    """What restic 0.14 answered to `forget --dry-run --json`; written by this file as a program."""
    cases = json.loads(ANSWERS.read_text("utf-8"))
    assert len(cases) == 60
    for case in cases:
        refs = [ref_at(datetime.fromisoformat(time)) for time in case["times"]]
        assert _names(kept(refs, _policy(case["keep"]))) == case["kept"], case


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("restic") is None, reason="no restic here (Debian: apt-get install restic)")
def test_choose_random_timelines_agree_with_restic(tmp_path: Path) -> None:
    """Known answers: `restic forget --dry-run --json` on the same times."""
    draw = random.Random(20260601)
    for times, keep, expected in _ask_restic(tmp_path, draw, timelines=3, policies=12):
        got = _names(kept([ref_at(time) for time in times], keep))
        if _restic_version() >= (0, 16):  # from there on it keeps the oldest, too, while a rule has counts left
            got, expected = (
                [name for name in names if name != _names([ref_at(times[0])])[0]] for names in (got, expected)
            )
        assert got == expected, (times, keep)


def _restic_version() -> tuple[int, ...]:
    output = subprocess.run(["restic", "version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, output.split()[1].split(".")[:2]))


def _names(refs: list[Ref]) -> list[str]:
    return sorted(f"{ref.created:%Y-%m-%d %H:%M:%S}" for ref in refs)


def _policy(values: dict[str, int]) -> Keep:
    within = timedelta(days=values["within"]) if "within" in values else None
    return Keep.model_construct(**{rule: values.get(rule) for rule in RULES}, within=within, min_keep=0)


def _ask_restic(folder: Path, draw: random.Random, *, timelines: int, policies: int):
    for number in range(timelines):
        times = sorted({_random_time(draw) for _ in range(draw.randint(1, 18))})
        restic = _repository(folder / str(number), times)
        for _ in range(policies):
            keep = _random_policy(draw)
            yield times, keep, restic(keep)


def _random_time(draw: random.Random) -> datetime:
    spread = draw.choice([timedelta(hours=30), timedelta(days=40), timedelta(days=1500)])
    return (NOW - draw.random() * spread).replace(microsecond=0)


def _random_policy(draw: random.Random) -> Keep:
    counts = {rule: draw.randint(1, 6) for rule in RULES if draw.random() < 0.35}
    within = timedelta(days=draw.randint(1, 60)) if draw.random() < 0.3 or not counts else None
    return Keep.model_construct(**{rule: counts.get(rule) for rule in RULES}, within=within, min_keep=0)


def _repository(folder: Path, times: list[datetime]):
    folder.mkdir()
    (folder / "file").write_text("x")
    environment = {
        "RESTIC_REPOSITORY": str(folder / "repository"),
        "RESTIC_PASSWORD": "x",
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "TZ": "UTC",
    }

    def run(*arguments: str) -> str:
        command = ["restic", "--no-cache", *arguments]
        return subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True).stdout

    run("init")
    for time in times:
        run("backup", "--time", f"{time:%Y-%m-%d %H:%M:%S}", "file")

    def ask(keep: Keep) -> list[str]:
        options = [f"--keep-{rule}={getattr(keep, rule)}" for rule in RULES if getattr(keep, rule)]
        options += [f"--keep-within={keep.within.days}d"] if keep.within else []
        groups = json.loads(run("forget", "--dry-run", "--json", *options))
        return sorted(str(one["time"])[:19].replace("T", " ") for one in groups[0]["keep"] or [])

    return ask


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as repository:
        answers = [
            {
                "times": [time.isoformat() for time in times],
                "keep": {rule: value for rule in RULES if (value := getattr(keep, rule))}
                | ({"within": keep.within.days} if keep.within else {}),
                "kept": expected,
            }
            for times, keep, expected in _ask_restic(Path(repository), random.Random(1), timelines=4, policies=15)
        ]
    ANSWERS.write_text("[\n" + ",\n".join(map(json.dumps, answers)) + "\n]\n", "utf-8")
