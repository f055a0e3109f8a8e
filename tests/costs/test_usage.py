"""What a process tree has used is what the kernel says of it, whoever asks the kernel."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from almanac.costs.usage import Usage, measure_usage

TIME = Path("/usr/bin/time")
# 0.6 s of own work, 0.6 s of a child's, and 120 MB at once in the child; it prints what it measured of itself at last.
KNOWN = textwrap.dedent(
    """
    import json, subprocess, sys, time
    from almanac.costs.usage import measure_usage
    def burn(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            sum(range(1000))
    if sys.argv[1:] == ["child"]:
        held = bytearray(120_000_000)
        held[::4096] = b"x" * len(held[::4096])
        burn(0.6)
    else:
        burn(0.6)
        subprocess.run([sys.executable, __file__, "child"], check=True)
        used = measure_usage()
        print(json.dumps({"cpu_s": used.cpu_s, "peak_bytes": used.peak_bytes}))
    """
)


@pytest.mark.skipif(not TIME.exists(), reason="needs /usr/bin/time, of the package `time`")
def test_measure_usage_of_a_known_tree_is_what_usr_bin_time_says_within_five_percent(tmp_path: Path) -> None:
    known = tmp_path / "known.py"
    known.write_text(KNOWN)
    done = subprocess.run([TIME, "-f", "%U %S %M", sys.executable, known], capture_output=True, text=True, check=True)
    ours = json.loads(done.stdout)
    user, system, peak_kib = re.findall(r"[\d.]+", done.stderr.strip().splitlines()[-1])
    assert ours["cpu_s"] == pytest.approx(float(user) + float(system), rel=0.05, abs=0.03)  # it counts hundredths
    assert ours["peak_bytes"] == pytest.approx(int(peak_kib) * 1024, rel=0.05)
    assert ours["cpu_s"] > 1.15  # both halves of it


def test_measure_usage_of_a_child_that_still_runs_counts_it() -> None:
    before = measure_usage()
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ntime.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert measure_usage().since(before).cpu_s >= 0.25  # it is told in hundredths, rounded down
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_measure_usage_in_a_fork_begins_at_zero() -> None:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(write, f"{measure_usage().cpu_s}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert float(os.read(read, 100)) < 0.15 < measure_usage().cpu_s
    os.close(read)
    os.close(write)


def test_since_leaves_out_what_was_used_before() -> None:
    assert Usage(5.0, 70, 100.0).since(Usage(3.0, 50, 90.0)) == Usage(2.0, 70, 10.0)
