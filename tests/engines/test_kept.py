"""Kept graphs are read by those whom they are for, and do not fill the disk."""

import os
import stat
from pathlib import Path

import pytest

from seq2seq.engines import kept, onnx_session
from seq2seq.engines.kept import KeptGraphs
from seq2seq.files.manifest import write_manifest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "seq2seq" / "graphs"


def graphs(name: str = "run", precision: str = "int8") -> KeptGraphs:
    Path(name).mkdir(exist_ok=True)
    write_manifest(Path(name), [], {"name": name})
    found = KeptGraphs.of(Path(name), precision)
    assert found
    return found


def test_a_graph_is_found_again_only_for_what_it_was_written_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs().keep("beam", b"graph")
    assert graphs().read("beam") == b"graph"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert graphs().read("greedy") is None
    assert graphs("another").read("beam") is None
    assert graphs(precision="fp32").read("beam") is None
    for name, value in (("_cpu", lambda: "another"), ("__version__", "9")):
        with monkeypatch.context() as patch:
            patch.setattr(kept, name, value)
            assert graphs().read("beam") is None
    with monkeypatch.context() as patch:
        patch.setattr(kept.onnxruntime, "__version__", "9")
        assert graphs().read("beam") is None
    with monkeypatch.context() as patch:
        patch.setattr(kept, "__file__", str(home / "changed.py"))
        assert graphs().read("beam") is None
    assert graphs().read("beam") == b"graph"


def test_what_was_not_used_for_longest_makes_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_ROOM", 350)
    for day, name in enumerate(["a", "b", "c"]):
        graphs(name).keep("start", bytes(68))  # 100 bytes with the digest
        os.utime(next(home.glob(f"{graphs(name).key}*")), (day, day))
    assert graphs("a").read("start") == bytes(68)  # used just now
    graphs("d").keep("start", bytes(68))
    assert [name for name in "abcd" if graphs(name).read("start")] == ["a", "c", "d"]
    graphs("e").keep("start", bytes(351))
    assert [name for name in "abcde" if graphs(name).read("start")] == ["a", "c", "d"]
    assert sum(path.stat().st_size for path in home.iterdir()) <= 350


def test_without_a_home_or_a_run_nothing_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert graphs().is_current()
    assert KeptGraphs.of(Path("none"), "int8") is None
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert KeptGraphs.of(Path("run"), "int8") is None


@pytest.mark.parametrize(("wanted", "expected"), [("3", 3), ("0", 2), ("many", 2), (None, 2)])
def test_threads_are_what_the_environment_says_or_the_process_may_use(
    wanted: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 7}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", wanted) if wanted else monkeypatch.delenv("OMP_NUM_THREADS")
    assert onnx_session.usual_threads() == expected
