"""What a program writes of its losses is read while it runs; what it saves, a later try finds."""

import re

import pytest
from pydantic import ValidationError

from almanac.errors import ConfigError
from tests.programs.conftest import GIVES_ITS_GRAPH, TINY

WRITES_LOSSES = """
import json, signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
history = open("history.jsonl", "a")
for epoch in range(600):
    print(json.dumps({{"epoch": epoch, "loss": {loss}, "validation_loss": {loss}}}), file=history, flush=True)
    time.sleep(0.05)
    if asked:
        print("asked after", epoch + 1)
        break
"""
RISING, FLAT = "0.1 + epoch / 10", "0.9"
SAVES_AND_DIES = """
import json, os, pathlib
spec = json.load(open("spec.json"))
newest = pathlib.Path(spec["checkpoints"], "epoch-3")
print("resumed", spec["resumed"], newest.exists())
if not newest.exists():
    newest.write_text("weights")
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(("loss", "rule"), [(RISING, "diverging"), (FLAT, "stuck")])
def test_rule_on_losses_ends_a_program_that_still_gives_its_graph(team, loss, rule) -> None:
    team.write(WRITES_LOSSES.format(loss=loss) + GIVES_ITS_GRAPH)
    made = team.fit(learning={"epochs": 600})
    assert made.curve.rule == rule
    assert len(made.curve.epochs) < 600
    assert made.curve.words.startswith(f"learning is {rule} after ")
    assert any(line.startswith("asked after") for line in team.said)


def test_rule_on_losses_of_a_program_that_gives_no_graph_fails_its_candidate(team) -> None:
    team.write(WRITES_LOSSES.format(loss=RISING))
    with pytest.raises(ConfigError, match=r"learning is diverging after \d+ epochs; asked to end, it left no usable"):
        team.fit(learning={"epochs": 600})


def test_program_without_declared_rules_is_not_watched(team) -> None:
    team.write(WRITES_LOSSES.format(loss=RISING).replace("600", "10") + GIVES_ITS_GRAPH)
    made = team.fit()
    assert (made.curve.rule, len(made.curve.epochs), made.curve.kept) == ("", 10, 0)


def test_diverging_program_goes_on_with_smaller_steps_where_that_is_declared(team) -> None:
    first = "import json\nspec = json.load(open('spec.json'))\nprint('factor', spec['learning_rate_factor'])\n"
    calm = "if spec['restarts'] < 2:\n" + "".join(
        f"    {line}\n" for line in WRITES_LOSSES.format(loss=RISING).strip().splitlines()
    )
    team.write(first + calm + GIVES_ITS_GRAPH)
    checkpoints = {"on_diverging": "go_on", "learning_rate_factor": 0.5}
    made = team.fit(learning={"epochs": 600, "checkpoints": checkpoints})
    assert [line for line in team.said if line.startswith("factor")] == ["factor 1.0", "factor 0.5", "factor 0.25"]
    assert len(made.curve.restored) == 2
    assert made.curve.words.startswith("learning diverged after epoch ")


def test_killed_program_finds_its_checkpoints_in_the_next_try(team) -> None:
    team.write(SAVES_AND_DIES + GIVES_ITS_GRAPH)
    with pytest.raises(ConfigError, match="died of signal SIGKILL"):
        team.fit()
    team.fit()
    assert [line for line in team.said if line.startswith("resumed")] == ["resumed False False", "resumed True True"]


def test_checkpoints_are_of_the_same_rows_and_parameters_alone(team) -> None:
    team.write(SAVES_AND_DIES + GIVES_ITS_GRAPH)
    for params in ({"layers": 1}, {"layers": 2}):
        with pytest.raises(ConfigError, match="died of signal SIGKILL"):
            team.fit(params=params)


def test_checkpoint_of_the_last_fit_is_backed_up_while_the_program_runs(team) -> None:
    script = (
        "import json, pathlib, time\n"
        "pathlib.Path(json.load(open('spec.json'))['checkpoints'], 'epoch-1').touch()\n"
        "time.sleep(1.5)\n"
    )
    team.write(script + GIVES_ITS_GRAPH)
    learning = {"epochs": 1, "checkpoints": {"backup": True}}
    team.fit(learning=learning)
    assert team.saved == []
    team.fit(learning=learning, is_last=True, params={"other": 1})
    assert team.saved == ["epoch-1"]


def test_program_gets_its_training_rows_and_nothing_of_others(team) -> None:
    team.write(
        "import json, polars\n"
        "spec, rows = json.load(open('spec.json')), polars.read_parquet('rows.parquet')\n"
        "print('rows', len(rows), spec['rows'], rows.columns == [*spec['features'], spec['label_column']])\n"
        "print('labels', sorted(rows[spec['label_column']].unique()), spec['kind'], spec['params'])\n" + GIVES_ITS_GRAPH
    )
    team.fit(params={"depth": 3})
    count = len(team.rows)
    assert f"rows {count} {count} True" in team.said
    assert "labels [0, 1] yes_or_no {'depth': 3}" in team.said


ONLY_LIMITS = {"epochs": 600, "stuck": None, "diverging": None, "overfitting": None}
WRITES_NORMS = WRITES_LOSSES.format(loss="0.5").replace('"loss"', '"gradient_norm": 3 * epoch, "loss"')


def test_limit_on_a_metric_ends_a_program_while_it_runs(team) -> None:
    team.write(WRITES_NORMS + GIVES_ITS_GRAPH)
    made = team.fit(
        learning={**ONLY_LIMITS, "metrics": ["gradient_norm"], "limits": {"exploding": "gradient_norm > 9"}}
    )
    assert made.curve.rule == "beyond the limit exploding (gradient_norm > 9)"
    assert len(made.curve.epochs) < 600
    assert made.curve.words.startswith("learning is beyond the limit exploding (gradient_norm > 9) after ")


def test_limit_can_name_a_parameter_and_the_number_of_the_epoch(team) -> None:
    team.write(WRITES_LOSSES.format(loss="0.5") + GIVES_ITS_GRAPH)
    limits = {"slow": "epoch >= warm and loss > target"}
    made = team.fit(params={"warm": 3, "target": 0.4}, learning={**ONLY_LIMITS, "limits": limits})
    assert made.curve.rule.startswith("beyond the limit slow")
    team.write(WRITES_LOSSES.format(loss="0.5").replace("600", "6") + GIVES_ITS_GRAPH)
    loose = team.fit(params={"warm": 3, "target": 0.6}, learning={**ONLY_LIMITS, "limits": limits})
    assert (loose.curve.rule, len(loose.curve.epochs)) == ("", 6)


def test_limit_on_what_nobody_declares_is_refused(team) -> None:
    team.write(GIVES_ITS_GRAPH)
    with pytest.raises(ValidationError, match=r"learning.limits.exploding: no column 'gradient_norm'"):
        team.declare(learning={"epochs": 3, "limits": {"exploding": "gradient_norm > 9"}})


def test_metric_that_is_declared_and_never_written_fails_its_candidate(team) -> None:
    team.write(WRITES_LOSSES.format(loss="0.5").replace("600", "2") + GIVES_ITS_GRAPH)
    with pytest.raises(
        ConfigError, match=r"learning.metrics: no line of history.jsonl has gradient_norm; got \['epoch'"
    ):
        team.fit(learning={**ONLY_LIMITS, "metrics": ["gradient_norm"]})


SAVES_DIVERGES = """
import json, pathlib
spec = json.load(open("spec.json"))
print("told", spec["restarts"], spec["best_epoch"])
def save(epoch):
    pathlib.Path(spec["checkpoints"], f"20260101T00000{{spec['restarts']}}Z-e{{epoch:05}}").touch()
"""


def test_diverging_program_is_told_its_best_epoch_and_its_losses_of_all_calls_are_kept(team) -> None:
    falls_then_rises = "0.6 - epoch / 10 if epoch < 3 else 0.3 + epoch / 10"
    script = (
        SAVES_DIVERGES.format()
        + "if spec['restarts'] < 1:\n    save(2)\n"
        + "".join(f"    {line}\n" for line in WRITES_LOSSES.format(loss=falls_then_rises).strip().splitlines())
    )
    team.write(script + GIVES_ITS_GRAPH)
    checkpoints = {"on_diverging": "go_on", "backup": True}
    made = team.fit(learning={"epochs": 600, "checkpoints": checkpoints}, is_last=True)
    assert [line for line in team.said if line.startswith("told")] == ["told 0 None", "told 1 2"]
    assert made.curve.kept == 2
    assert made.curve.restored == (len(made.curve.epochs) - 1,)
    lines = made.files.paths["history.jsonl"].read_text().splitlines()
    assert len(lines) == len(made.curve.epochs) > 6
    assert set(team.saved) == {"20260101T000000Z-e00002"}


def test_losses_lie_beside_the_checkpoints_and_a_later_try_adds_its_own(team) -> None:
    writes = 'open("history.jsonl", "w").write("".join(\'{"loss": 0.5}\\n\' for _ in range(2)))\n'
    team.write(SAVES_AND_DIES + writes + GIVES_ITS_GRAPH)
    with pytest.raises(ConfigError, match="died of signal SIGKILL"):
        team.fit()
    (log,) = team.bench.folder.rglob("*.losses.jsonl")
    assert (log.parent / log.name.removesuffix(".losses.jsonl") / "epoch-3").exists()
    log.write_text('{"epoch": 3, "loss": 0.7}\n{"epoch": 4, "lo')  # it was killed while it wrote
    made = team.fit()
    assert [one.train_loss for one in made.curve.epochs] == [0.7, 0.5, 0.5]


def test_losses_of_a_try_that_left_no_checkpoint_are_not_counted_again(team) -> None:
    team.write('open("history.jsonl", "w").write(\'{"loss": 0.5}\\n\')\n' + GIVES_ITS_GRAPH)
    team.fit()
    made = team.fit()
    assert len(made.curve.epochs) == 1
    (log,) = team.bench.folder.rglob("*.losses.jsonl")
    assert len(log.read_text().splitlines()) == 1


def test_backup_is_taken_as_training_ends_with_the_losses_since_the_last_checkpoint(team) -> None:
    team.write(
        SAVES_DIVERGES.format() + "import time\nsave(1)\ntime.sleep(1.5)\n"
        'open("history.jsonl", "w").write(\'{"loss": 0.5}\\n\')\n' + GIVES_ITS_GRAPH
    )
    team.fit(learning={"epochs": 1, "checkpoints": {"backup": True}}, is_last=True)
    assert team.saved == ["20260101T000000Z-e00001"] * 2


def test_tiny_program_names_checkpoints_by_time_and_epoch_and_keeps_as_many_as_declared(team) -> None:
    team.write(TINY.read_text())
    declared = {"epochs": 12, "checkpoints": {"every": 2, "keep": 2}}
    team.fit(params={"epochs": 12, "learning_rate": 1.0}, learning=declared)
    names = sorted(path.name for path in team.bench.folder.rglob("*.npz") if "checkpoints" in path.parts)
    assert [name[-10:] for name in names] == ["e00010.npz", "e00012.npz"]
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-e\d{5}\.npz", name) for name in names)
