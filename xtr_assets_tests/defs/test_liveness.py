import subprocess
import sys

from xtr_assets.defs.liveness import is_gone, this_process


def test_a_process_is_gone_when_it_ended_or_another_one_has_its_number() -> None:
    me = this_process()
    host, number, began = me.split(" ")
    assert not is_gone(me)
    assert is_gone(f"{host} {number} {int(began or 0) + 1}")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_gone(f"{host} {ended.pid} {began}")


def test_of_another_host_or_of_no_process_nothing_is_said() -> None:
    _, number, began = this_process().split(" ")
    assert not is_gone(f"elsewhere {number} {int(began or 0) + 1}")
    assert not is_gone("")
