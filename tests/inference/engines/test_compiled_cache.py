"""Compiled models on disk: used again, never half, never trusted when damaged, and no need of the work."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kills import stopped_everywhere

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.compiled_cache import (
    FOLDER,
    NOTED_SECONDS,
    UNUSED_SECONDS,
    cache_folders,
    cache_key,
    find_compiled,
    keep_compiled,
)

KEY = cache_key(["a model", "a machine"])
CONTENT = bytes(range(256)) * 40
PAIRS = [("怎么还款", "如何还款"), ("临江公司", "总部在哪里")]


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), min_size=1), st.data())
def test_a_key_changes_with_each_part(parts: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(parts) - 1))
    other = [*parts[:place], parts[place] + "x", *parts[place + 1 :]]
    assert cache_key(parts) == cache_key(list(parts)) != cache_key(other)
    assert cache_key(parts) != cache_key([*parts, ""])


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    assert find_compiled([tmp_path / "new"], KEY) is None
    assert keep_compiled([tmp_path / "new"], KEY, CONTENT) == ""
    found = find_compiled([tmp_path / "other", tmp_path / "new"], KEY)
    assert found is not None and found.read_bytes() == CONTENT
    assert find_compiled([tmp_path / "new"], cache_key(["another"])) is None
    # One of a key is enough, and another process may have it open.
    assert keep_compiled([tmp_path / "new"], KEY, CONTENT[::-1]) == ""
    assert names(tmp_path / "new") == [found.name]


@pytest.mark.parametrize("place", [0, 1, len(CONTENT) // 2, len(CONTENT) - 1])
@pytest.mark.parametrize("damage", ["flipped", "cut", "longer"])
def test_a_damaged_file_is_deleted(tmp_path: Path, damage: str, place: int) -> None:
    keep_compiled([tmp_path], KEY, CONTENT)
    path = find_compiled([tmp_path], KEY)
    assert path is not None
    flipped = CONTENT[:place] + bytes([CONTENT[place] ^ 1]) + CONTENT[place + 1 :]
    path.write_bytes({"flipped": flipped, "cut": CONTENT[:place], "longer": CONTENT + CONTENT[: place + 1]}[damage])
    assert find_compiled([tmp_path], KEY) is None
    assert names(tmp_path) == []


def test_folders_come_in_order(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle"
    assert cache_folders(bundle, None) == [bundle / FOLDER, own_cache / "compiled"]
    assert cache_folders(bundle, "none") == []
    assert cache_folders(bundle, tmp_path / "mine") == cache_folders(bundle, str(tmp_path / "mine"))
    assert cache_folders(bundle, tmp_path / "mine") == [tmp_path / "mine"]
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert cache_folders(bundle, None) == [bundle / FOLDER]


def test_where_a_folder_cannot_be_the_next_one_is_taken(tmp_path: Path) -> None:
    """A file in a folder's place stops root too, whom a mode does not."""
    blocked, free = tmp_path / "blocked", tmp_path / "free" / "deep"
    blocked.write_text("in the way", encoding="utf-8")
    assert keep_compiled([blocked, free], KEY, CONTENT) == ""
    assert names(free) and find_compiled([blocked, free], KEY) == free / names(free)[0]
    reason = keep_compiled([blocked], KEY, CONTENT)
    assert "blocked" in reason and "\n" not in reason
    assert keep_compiled([blocked], KEY, CONTENT) == reason and blocked.read_text(encoding="utf-8") == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_passed_over(tmp_path: Path) -> None:
    closed, free = tmp_path / "closed", tmp_path / "free"
    closed.mkdir(mode=0o555)
    assert keep_compiled([closed / FOLDER, free], KEY, CONTENT) == ""
    assert find_compiled([closed / FOLDER, free], KEY) is not None and names(closed) == []


def test_what_nobody_opens_any_more_is_deleted(tmp_path: Path) -> None:
    opened, left = cache_key(["opened"]), cache_key(["left"])
    for key in (opened, left):
        assert keep_compiled([tmp_path], key, CONTENT) == ""
    (tmp_path / "notes.txt").write_text("not ours")
    old = time.time() - UNUSED_SECONDS - 60
    for path in tmp_path.iterdir():
        os.utime(path, (old, old))
    found = find_compiled([tmp_path], opened)
    assert found is not None
    noted = found.stat().st_mtime
    assert time.time() - noted < NOTED_SECONDS
    assert keep_compiled([tmp_path], KEY, CONTENT) == ""
    assert find_compiled([tmp_path], left) is None
    assert found.is_file() and (tmp_path / "notes.txt").is_file()
    # Noted once a week, not each time: a changed file has its checksum computed anew.
    assert find_compiled([tmp_path], opened) == found and found.stat().st_mtime == noted


def test_a_kill_leaves_nothing_or_all(tmp_path: Path) -> None:
    def prepare(number: int) -> Callable[[], None]:
        return lambda: keep_compiled([tmp_path / str(number)], KEY, CONTENT) and None

    stopped = 0
    for number in stopped_everywhere(prepare):
        folder = tmp_path / str(number)
        found = find_compiled([folder], KEY)
        assert found is None or found.read_bytes() == CONTENT
        assert keep_compiled([folder], KEY, CONTENT) == ""
        # What the killed one has left is swept, unless there was nothing more to write.
        assert found is not None or len(names(folder)) == 1
        stopped += 1
    assert stopped > 3


def test_several_processes_keep_at_once(tmp_path: Path) -> None:
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            os._exit(0 if keep_compiled([tmp_path], KEY, CONTENT * (1 + number)) == "" else 1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    found = find_compiled([tmp_path], KEY)
    assert found is not None and found.stat().st_size % len(CONTENT) == 0
    assert all(name.endswith(".blob") and find_compiled([tmp_path], KEY) for name in names(tmp_path))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What OpenVINO was asked for: "compile" or "import"."""
    import openvino

    asked: list[str] = []

    class Core(openvino.Core):
        def compile_model(self, *args: object) -> openvino.CompiledModel:
            asked.append("compile")
            return super().compile_model(*args)

        def import_model(self, *args: object) -> openvino.CompiledModel:
            asked.append("import")
            return super().import_model(*args)

    monkeypatch.setattr(openvino, "Core", Core)
    return asked


def opened(bundle: Bundle, **settings: object) -> Predictor:
    """The bundle in OpenVINO, with one thread."""
    return Predictor(bundle, engine="openvino", **{"precision": "fp32", "num_threads": 1, **settings})


def blobs(bundle: Bundle) -> list[Path]:
    return sorted((bundle.directory / FOLDER).iterdir())


def test_a_model_is_compiled_once(copied: Callable[..., Bundle], compiled: list[str], own_cache: Path) -> None:
    bundle = copied()
    first = opened(bundle)
    second = opened(bundle)
    assert compiled == ["compile", "import"]
    assert np.array_equal(first.logits(PAIRS), second.logits(PAIRS))
    assert first.runtime.not_kept == second.runtime.not_kept == ""
    [path] = blobs(bundle)
    assert not (own_cache / "compiled").exists()
    # Mapped for as long as it is used, and not written to.
    gc.collect()
    content = path.read_bytes()
    assert str(path) in Path("/proc/self/maps").read_text(encoding="utf-8")
    assert np.array_equal(first.logits(PAIRS * 20, 2), second.logits(PAIRS * 20, 2)) and path.read_bytes() == content
    # A copy of the bundle is the same model on the same machine, and brings what was compiled along.
    moved = bundle.directory.rename(bundle.directory.with_name("moved"))
    opened(Bundle(moved, bundle.info))
    assert compiled[2:] == ["import"]


def test_what_differs_is_compiled_apart(copied: Callable[..., Bundle], compiled: list[str]) -> None:
    bundle = copied()
    kinds = [{}, {"num_threads": 2}, {"precision": "int8"}, {"callers": 2}]
    for settings in kinds * 2:
        opened(bundle, **settings)
    assert compiled == ["compile"] * len(kinds) + ["import"] * len(kinds)
    assert len(blobs(bundle)) == len(kinds)
    # The same name, other weights.
    path = bundle.path("openvino_int8_weights")
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    opened(bundle, precision="int8")
    assert compiled[-1] == "compile" and len(blobs(bundle)) == len(kinds) + 1


def test_another_processor_takes_none_of_it(
    copied: Callable[..., Bundle], compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = copied()
    opened(bundle)
    for name, value in (("processor_features", ()), ("processor_name", "another one")):
        monkeypatch.setattr(f"ernie_toolkit.inference.engines.openvino.{name}", lambda value=value: value)
        opened(bundle)
    assert compiled == ["compile"] * 3


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_one_is_made_again(copied: Callable[..., Bundle], compiled: list[str], damage: str) -> None:
    bundle = copied()
    expected = opened(bundle).logits(PAIRS)
    [path] = blobs(bundle)
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes({"flipped": flipped, "cut": content[:middle], "empty": b""}[damage])
    assert np.array_equal(opened(bundle).logits(PAIRS), expected)
    assert np.array_equal(opened(bundle).logits(PAIRS), expected)
    assert compiled == ["compile", "compile", "import"]
    assert len(blobs(bundle)) == 1


def test_a_whole_one_that_openvino_refuses_is_passed_over(copied: Callable[..., Bundle], compiled: list[str]) -> None:
    import hashlib

    bundle = copied()
    expected = opened(bundle).logits(PAIRS)
    [path] = blobs(bundle)
    digest = hashlib.sha256(b"x").hexdigest()
    path.with_name(f"{path.name.partition('-')[0]}-{digest}.blob").write_bytes(b"x")
    path.unlink()
    assert np.array_equal(opened(bundle).logits(PAIRS), expected)
    assert compiled == ["compile", "import", "compile"]


def test_one_that_vanishes_meanwhile_is_made_again(
    copied: Callable[..., Bundle], compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = copied()
    expected = opened(bundle).logits(PAIRS)

    def found(folders: list[Path], key: str) -> Path | None:
        path = find_compiled(folders, key)
        if path is not None:
            path.unlink()
        return path

    monkeypatch.setattr("ernie_toolkit.inference.engines.openvino.find_compiled", found)
    assert np.array_equal(opened(bundle).logits(PAIRS), expected)
    assert compiled == ["compile", "compile"] and len(blobs(bundle)) == 1


def test_where_the_bundle_takes_none_the_user_does(
    copied: Callable[..., Bundle], compiled: list[str], own_cache: Path, tmp_path: Path
) -> None:
    bundle = copied()
    (bundle.directory / FOLDER).write_text("in the way", encoding="utf-8")
    for _ in range(2):
        assert opened(bundle).runtime.not_kept == ""
    assert compiled == ["compile", "import"] and len(names(own_cache / "compiled")) == 1
    for _ in range(2):
        assert opened(bundle, engine_cache=str(tmp_path / "mine")).runtime.not_kept == ""
    assert compiled[2:] == ["compile", "import"] and len(names(tmp_path / "mine")) == 1


def test_where_nothing_takes_it_the_model_still_answers(
    copied: Callable[..., Bundle], compiled: list[str], own_cache: Path
) -> None:
    bundle = copied()
    expected = opened(bundle, engine_cache="none")
    assert expected.runtime.not_kept == "" and not (bundle.directory / FOLDER).exists()
    own_cache.mkdir(parents=True, exist_ok=True)
    for blocked in (bundle.directory / FOLDER, own_cache / "compiled"):
        blocked.write_text("in the way", encoding="utf-8")
    for _ in range(2):
        predictor = opened(bundle)
        assert "in the way" not in predictor.runtime.not_kept and "compiled" in predictor.runtime.not_kept
        assert np.array_equal(predictor.logits(PAIRS), expected.logits(PAIRS))
    assert compiled == ["compile"] * 3


OPEN = (
    "import sys\nfrom ernie_toolkit.inference import Predictor\n"
    "predictor = Predictor(sys.argv[1], engine='openvino', precision='fp32', num_threads=1)\n"
    "print(predictor.runtime.not_kept, [answer.label for answer in predictor.predict([('甲', '乙'), ('丙', '丁')])])\n"
)


def processes(bundle: Bundle, count: int, code: str = OPEN) -> Iterator[subprocess.Popen[str]]:
    for _ in range(count):
        command = [sys.executable, "-c", code, str(bundle.directory)]
        yield subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once(copied: Callable[..., Bundle], compiled: list[str]) -> None:
    bundle = copied()
    answers = set()
    for process in list(processes(bundle, 2)):
        printed, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
        answers.add(printed)
    assert len(answers) == 1
    opened(bundle)
    assert compiled == ["import"] and all(path.suffix == ".blob" for path in blobs(bundle))


def test_kill_9_while_it_is_written(copied: Callable[..., Bundle], compiled: list[str]) -> None:
    bundle = copied()
    slow = (
        "import os, time\nrename = os.replace\n"
        "os.replace = lambda old, new: time.sleep(600) if str(new).endswith('.blob') else rename(old, new)\n" + OPEN
    )
    [process] = processes(bundle, 1, slow)
    folder = bundle.directory / FOLDER
    for _ in range(1200):
        if any(path.stat().st_size for path in folder.glob(".*")):
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    assert names(folder) and not list(folder.glob("*.blob"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    opened(bundle)
    assert compiled == ["compile"]
    assert [path.suffix for path in blobs(bundle)] == [".blob"]
    opened(bundle)
    assert compiled == ["compile", "import"]
