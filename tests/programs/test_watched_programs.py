"""What a program writes of its losses is read while it runs; what it saves, a later try finds."""

import pytest

from almanac.errors import ConfigError
from tests.programs.conftest import GIVES_ITS_GRAPH

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
    assert made.curve is None


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
