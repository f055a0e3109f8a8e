"""The story, step by step: each does what a person or a machine at the port would do, then checks what came of it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.sample.climate import CHANGED_CLIMATE
from almanac.sample.weather_files import monthly_files, write_month
from demo.promotion_steps import person_approves
from demo.stage import MODEL
from demo.weather_faults import with_bad_rows, without_column

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from demo.stage import Stage

# Which rules must have put the generator's bad rows aside.
RULE_OF_KIND = {
    "impossible_pressure": "Pressure_millibars.range",
    "humidity_above_1": "Humidity.range",
    "unknown_category": "Weather_conditions.values",
    "unparseable_number": "Temperature_C.type",
}
BAD_ROWS = 30


def history_lands(stage: Stage) -> None:
    """Three years as monthly files; then one of them again under another name."""
    from datetime import UTC, datetime

    with tempfile.TemporaryDirectory(dir=stage.home.home) as folder:
        files = monthly_files(datetime(2021, 1, 1, tzinfo=UTC), 36, Path(folder))
        again = shutil.copy(files[0], stage.home.home / "again.csv")
        stage.land(files)
    expected = 3 * 365 * 24
    stage.wait("36 files in the dataset", lambda: stage.dataset_rows() >= expected, timeout_s=180)
    rows = stage.dataset()
    stage.ledger.check(1, "36 monthly files published, hours", expected=expected, seen=rows.height)
    stage.ledger.check(1, "each hour once", expected=expected, seen=rows["Timestamp"].n_unique())
    stage.ledger.check(1, "batches in the dataset", expected=36, seen=rows["_batch"].n_unique())

    version, before = stage.dataset_version(), stage.known("ingest")
    stage.land([Path(again).rename(Path(again).with_name("weather_2021-01_sent_again.csv"))])
    run = stage.wait_run("ingest", after=before, what="the renamed copy to be looked at")
    summary = stage.result(run, "ingest_batches")
    stage.ledger.check(1, "same bytes, other name: duplicates", expected=1, seen=_count(summary["duplicates"]))
    stage.ledger.check(1, "same bytes: dataset version unchanged", expected=version, seen=stage.dataset_version())


def champion_is_trained(stage: Stage) -> None:
    """The new dataset has triggered training."""
    run = stage.wait_run("train", after=set(), what="the first training", timeout_s=300)
    stage.ledger.check(2, "training triggered by new data", expected="success", seen=run.state)
    stage.start_cooldown()
    version = stage.version_of("champion")
    stage.ledger.check(2, "a champion in MLflow", expected="1", seen=version)
    if version is None:
        return
    metrics = _metrics(stage, version)
    ours, baseline = metrics["holdout.f1_macro"], metrics["baseline.persistence.f1_macro"]
    stage.ledger.check(
        2,
        "macro-F1 on the hold-out, against persistence",
        expected="> persistence + 0.02",
        seen=f"{ours:.3f} against {baseline:.3f}",
        passed=ours > baseline + 0.02,
    )
    agreement = metrics["parity.label_agreement"]
    stage.ledger.check(
        2,
        "ONNX and scikit-learn give the same labels",
        expected=">= 0.999",
        seen=f"{agreement:.5f}",
        passed=agreement >= 0.999,
    )
    stage.figures["first champion"] = metrics


def bad_rows_are_quarantined(stage: Stage) -> None:
    """A month with 30 bad rows."""
    stage.wait_quiet()
    before_rows = stage.dataset_rows()
    frame, kinds = with_bad_rows(stage.month(2024, 1), BAD_ROWS)
    _land_month(stage, frame)
    good = frame.height - BAD_ROWS
    stage.wait("the good rows of January", lambda: stage.dataset_rows() >= before_rows + good)
    stage.ledger.check(3, "good rows published", expected=good, seen=stage.dataset_rows() - before_rows)
    rules = stage.quarantine()["rules"].explode().value_counts()
    seen = dict(sorted(rules.iter_rows()))
    expected = dict(sorted((RULE_OF_KIND[kind], count) for kind, count in kinds.items()))
    stage.ledger.check(3, "rows in quarantine, by rule", expected=expected, seen=seen)


def schema_fault_is_rejected(stage: Stage) -> None:
    """A file without a column that the model needs."""
    stage.wait_quiet()
    version, trainings, alerts = stage.dataset_version(), stage.known("train"), len(stage.sink.received)
    before = stage.known("ingest")
    _land_month(stage, without_column(stage.month(2024, 2), "Pressure_millibars"))
    run = stage.wait_run("ingest", after=before, what="the file without pressure to be looked at")
    stage.ledger.check(4, "the run says so", expected="failed", seen=stage.states(run)["report_rejections"])
    stage.ledger.check(4, "nothing published: dataset version", expected=version, seen=stage.dataset_version())
    kept = list(Path(stage.home.quarantined_files_of(MODEL)).glob("*weather_2024-02.csv"))
    stage.ledger.check(4, "the file is kept in quarantine", expected=1, seen=len(kept))
    reports = list(Path(stage.home.reports_of(MODEL)).rglob("*.html"))
    stage.ledger.check(4, "a report page", expected=">= 1", seen=len(reports), passed=len(reports) >= 1)
    alert = stage.wait("the alert", lambda: stage.sink.received[alerts:])[0]
    stage.ledger.check(
        4,
        "an alert that names the column",
        expected="Pressure_millibars",
        seen="Pressure_millibars" if "Pressure_millibars" in str(alert) else alert,
    )
    stage.wait_quiet()
    stage.ledger.check(4, "no training started", expected=0, seen=len(stage.known("train") - trainings))


def crippled_candidate_is_refused(stage: Stage) -> None:
    """Somebody tries to push a forest of one tree with one split."""
    before = stage.version_of("champion")
    conf = {"candidates": ["forest"], "overrides": {"n_estimators": 1, "max_depth": 1}, "reason": "a crippled forest"}
    run = stage.run_by_hand("train", conf)
    verdict = stage.result(run, "judge")
    stage.ledger.check(5, "a green run", expected="success", seen=run.state)
    stage.ledger.check(5, "the gates refused", expected=False, seen=verdict["accepted"])
    reasons = verdict["reasons"]
    stage.ledger.check(
        5, "with reasons", expected="at least one", seen="; ".join(reasons)[:160], passed=len(reasons) > 0
    )
    stage.ledger.check(5, "not registered", expected="skipped", seen=stage.states(run)["register"])
    stage.ledger.check(5, "champion unchanged", expected=before, seen=stage.version_of("champion"))


def new_hours_are_scored(stage: Stage) -> None:
    """February lands for good; then a person scores one week of it again, twice."""
    import polars as pl

    february = stage.month(2024, 2)
    _land_month(stage, february)
    since, until = "2024-02-10T00:00:00Z", "2024-02-17T00:00:00Z"
    week = pl.col("time").is_between(_time(since), _time(until), closed="left")

    def scored() -> int:
        predictions = stage.predictions()
        return predictions.filter(week).height if predictions.width else 0

    stage.wait("February to be scored", lambda: scored() >= 7 * 24)
    stage.wait_quiet()
    stage.ledger.check(6, "hours scored in the week", expected=7 * 24, seen=scored())
    for _ in range(2):
        stage.run_by_hand("score", {"since": since, "until": until})
    predictions = stage.predictions()
    stage.ledger.check(6, "after scoring it twice again", expected=7 * 24, seen=predictions.filter(week).height)
    doubled = predictions.height - predictions.select("time", "model_version").unique().height
    stage.ledger.check(6, "hours scored twice by one version", expected=0, seen=doubled)


def climate_changes(stage: Stage) -> None:
    """From April rain comes otherwise. Nine months land; all that a person does is to approve the new model."""
    stage.wait_quiet()
    stage.wait_cooldown()
    old, before = stage.version_of("champion"), stage.known("train")
    with tempfile.TemporaryDirectory(dir=stage.home.home) as folder:
        months = [(3, None), *((month, CHANGED_CLIMATE) for month in range(4, 12))]
        frames = [stage.month(2024, m, climate) if climate else stage.month(2024, m) for m, climate in months]
        stage.land([write_month(frame, Path(folder)) for frame in frames])
    run = person_approves(stage, 7, before)
    decision = stage.result(run, "decide")
    stage.ledger.check(7, "the monitor asked, training was granted", expected=True, seen=decision["accepted"])
    stage.report(f"          {'; '.join(decision['reasons'])[:200]}")
    new = stage.version_of("champion")
    stage.ledger.check(7, "a new champion", expected=f"not {old}", seen=new, passed=new != old)
    stage.ledger.check(7, "the old one is previous", expected=old, seen=stage.version_of("previous"))
    stage.figures["second champion"] = _metrics(stage, str(new))

    before = stage.known("train")
    stage.emit(f"almanac://{MODEL}/retrain_request", {"reason": "a request by REST, not by the monitor"})
    run = stage.wait_run("train", after=before, what="the posted request to be decided")
    decision = stage.result(run, "decide")
    stage.ledger.check(7, "a request that the monitor never made", expected=False, seen=decision["accepted"])
    reasons = "; ".join(decision["reasons"])
    why = f"no record of monitor_{MODEL}" in reasons
    stage.ledger.check(7, "and it says why", expected="no record of it", seen=reasons[:160], passed=why)


def killed_process_loses_nothing(stage: Stage) -> None:
    """`kill -9` in the middle of an ingest, between validation and publication."""
    stage.wait_quiet()
    before_rows, version = stage.dataset_rows(), stage.dataset_version()
    (stage.faults / "validated").touch()
    december = stage.month(2024, 12, CHANGED_CLIMATE)
    _land_month(stage, december)
    mark = stage.faults / "validated.reached"
    stage.wait("the ingest to reach the point", mark.exists)
    time.sleep(0.2)
    pid = int(mark.read_text("utf-8"))
    stage.ledger.check(8, "validated, not published: dataset version", expected=version, seen=stage.dataset_version())
    (stage.faults / "validated").unlink()
    os.kill(pid, signal.SIGKILL)
    stage.report(f"          killed process {pid}")
    stage.wait("December in the dataset", lambda: stage.dataset_rows() > before_rows, timeout_s=180)
    stage.wait_quiet()
    rows = stage.dataset()
    stage.ledger.check(8, "rows after recovery", expected=before_rows + december.height, seen=rows.height)
    stage.ledger.check(8, "hours doubled", expected=0, seen=rows.height - rows["Timestamp"].n_unique())


# What the product is for; it needs only itself.
MAIN_STORY: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("Three years of history land", history_lands),
    ("A model is trained and becomes champion", champion_is_trained),
    ("A month with 30 bad rows", bad_rows_are_quarantined),
    ("A file without a required column", schema_fault_is_rejected),
    ("A crippled candidate, by hand", crippled_candidate_is_refused),
    ("New hours are scored, and scored again", new_hours_are_scored),
    ("The climate changes", climate_changes),
)
# After MAIN_STORY.
RECOVERY_STORY: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("A process is killed in the middle of an ingest", killed_process_loses_nothing),
)


def _land_month(stage: Stage, frame: pl.DataFrame) -> None:
    with tempfile.TemporaryDirectory(dir=stage.home.home) as folder:
        stage.land([write_month(frame, Path(folder))])


def _metrics(stage: Stage, version: str) -> dict[str, float]:
    run_id = stage.mlflow.get_model_version(MODEL, version).run_id
    return {name: round(value, 5) for name, value in stage.mlflow.get_run(run_id).data.metrics.items()}


def _count(value: object) -> int:
    return value if isinstance(value, int) else len(value)  # type: ignore[arg-type]


def _time(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)
