"""`config/airflow_local_settings.py` runs in Airflow's processes: so it is tested in a process of its own."""

import subprocess
import sys

import pytest

from almanac.config.credentials import generate
from almanac.config.home import Home
from almanac.services.environment import environment
from almanac.services.ports import Ports

AFTER_WARMING = """
import sys, os
sys.argv = ["airflow", "scheduler"]
import airflow_local_settings
threads = {open(f"/proc/self/task/{each}/comm").read().strip() for each in os.listdir("/proc/self/task")
           if int(each) != os.getpid()}
print("threads", sorted(threads))
import multiprocessing
def work(queue):
    import polars, pandas, pyarrow, numpy
    from sklearn.ensemble import RandomForestClassifier
    frame = polars.DataFrame({"a": list(range(10000)), "b": ["x", "y"] * 5000})
    total = frame.lazy().group_by("b").agg(polars.col("a").sum()).collect(engine="streaming")["a"].sum()
    RandomForestClassifier(20, n_jobs=2).fit(numpy.arange(2000).reshape(1000, 2), numpy.arange(1000) % 2)
    queue.put(total)
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
child = context.Process(target=work, args=(queue,))
child.start()
child.join(60)
print("child", child.exitcode, queue.get() if child.exitcode == 0 else "hangs")
child.kill()
"""


def run(home: Home, code: str, **extra: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(home, Ports(), generate(), extra=extra),
        cwd=home.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_warm_scheduler_starts_no_thread_and_its_forks_can_work(tmp_path):
    output = run(Home(home=tmp_path), AFTER_WARMING)

    # Polars starts one, which waits to remove spilled files; no task needs it.
    assert "threads []" in output or "threads ['polars-ooc-clea']" in output
    assert f"child 0 {sum(range(10000))}" in output
    assert "workers are warm" in output


def test_warm_other_processes_stay_light(tmp_path):
    commands = ["dag-processor", "api-server", "triggerer", "db migrate", "celery flower"]
    code = (
        f"import sys\nfor command in {commands!r}:\n"
        "    sys.argv = ['airflow', *command.split()]; sys.modules.pop('airflow_local_settings', None)\n"
        "    import airflow_local_settings\n"
        "    print(command, {'pandas', 'mlflow', 'sklearn', 'great_expectations'} & set(sys.modules))"
    )

    assert run(Home(home=tmp_path), code).splitlines() == [f"{command} set()" for command in commands]


def test_warm_switched_off_stays_cold(tmp_path):
    code = (
        "import sys; sys.argv = ['airflow', 'scheduler']; import airflow_local_settings;print('pandas' in sys.modules)"
    )

    assert run(Home(home=tmp_path), code, ALMANAC_WARM_WORKERS="0").strip() == "False"


def test_is_parent_of_tasks_by_its_command(tmp_path):
    parents = [
        (["airflow", "scheduler"], "LocalExecutor"),
        (["airflow", "scheduler", "--skip-serve-logs"], "LocalExecutor"),
        (["airflow", "scheduler"], "LocalExecutor,KubernetesExecutor"),
        (["airflow", "celery", "worker", "--concurrency", "8"], "CeleryExecutor"),
    ]
    others = [
        (["airflow", "scheduler"], "CeleryExecutor"),
        (["airflow", "celery", "stop"], "CeleryExecutor"),
        (["airflow", "tasks", "test", "scheduler"], "LocalExecutor"),
        (["airflow"], "LocalExecutor"),
    ]
    code = (
        "from almanac_airflow.processes.warm_workers import is_parent_of_tasks\n"
        f"for each in {[*parents, *others]!r}: print(is_parent_of_tasks(*each))"
    )

    assert run(Home(home=tmp_path), code).splitlines() == ["True"] * len(parents) + ["False"] * len(others)


def test_warm_module_that_is_missing_is_reported_and_does_not_stop_the_scheduler(tmp_path):
    code = "from almanac_airflow.processes import warm_workers; warm_workers.warm(['no_such_module']); print('on')"

    output = run(Home(home=tmp_path), code)

    assert "workers stay cold for no_such_module" in output
    assert "on" in output
