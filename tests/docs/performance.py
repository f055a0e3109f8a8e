"""Plays a scene on a stage."""

import re
from collections.abc import Callable

from tests.docs.scenes import COMMON, Scene, Step
from tests.docs.stage import Stage


def play(scene: Scene, stage: Stage, heard: Callable[[str], None] = lambda _: None) -> int:
    """Run the scene's lines in their order; each must end and say what the page promises. Returns how many were run.

    Args:
        scene: what to play.
        stage: a home in its state.
        heard: called with what each line has printed, before anything else happens.
    """
    if scene.before:
        _happen(stage, scene.before)
    for step in scene.steps:
        if step.before:
            _happen(stage, step.before)
        line = bound(step, scene, stage)
        code, output = stage.run(line)
        assert code == step.exit_code, f"$ {line}\n{output[-3000:]}\nended with {code}, expected {step.exit_code}"
        assert "Traceback (most recent call last)" not in output, f"$ {line}\n{output[-3000:]}"
        for pattern in step.says:
            wanted = _filled(pattern, stage, escape=True)
            assert re.search(wanted, output), f"$ {line}\n{output[-3000:]}\nsays nothing like {wanted!r}"
        heard(output)
        if step.after:
            _happen(stage, step.after)
    return len(scene.steps)


def bound(step: Step, scene: Scene, stage: Stage) -> str:
    """The line with everything in it that a reader puts there."""
    line = step.text
    for name, value in {**scene.binds, **step.binds, **COMMON}.items():
        line = line.replace(name, _filled(value, stage))
    return _filled(line, stage)


def _filled(text: str, stage: Stage, *, escape: bool = False) -> str:
    for name, value in stage.facts.items():
        text = text.replace(f"{{{name}}}", re.escape(value) if escape else value)
    return text.replace("{root}", str(stage.folder.parent))


def _happen(stage: Stage, name: str) -> None:
    module, _, function = name.rpartition(":")
    code, output = stage.warm.call(f"tests.docs.{module or 'happenings'}:{function}", stage.variables, stage.folder)
    assert code == 0, f"{name}: {output[-3000:]}"
