"""CPU settings: which ones, when, and that what is computed stays the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ernie_toolkit.training.acceleration import CpuFeatures, apply_cpu_settings, cpu_settings, read_cpu_features

FLAGS = frozenset({"avx2", "fma"})


def test_settings_follow_the_processor() -> None:
    everywhere = {"FLAGS_use_stride_kernel": "0", "OMP_NUM_THREADS": "4"}
    assert cpu_settings(CpuFeatures("AuthenticAMD", FLAGS, 4), {}) == {"MKL_DEBUG_CPU_TYPE": "5", **everywhere}
    avx512 = FLAGS | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
    assert cpu_settings(CpuFeatures("AuthenticAMD", avx512, 4), {}) == {"MKL_DEBUG_CPU_TYPE": "7", **everywhere}
    assert cpu_settings(CpuFeatures("AuthenticAMD", FLAGS | {"avx512f"}, 4), {})["MKL_DEBUG_CPU_TYPE"] == "5"
    assert cpu_settings(CpuFeatures("GenuineIntel", avx512, 4), {}) == everywhere
    assert cpu_settings(CpuFeatures("AuthenticAMD", frozenset({"avx2"}), 4), {}) == everywhere
    assert cpu_settings(CpuFeatures("", frozenset(), 4), {}) == {"FLAGS_use_stride_kernel": "0"}
    assert cpu_settings(CpuFeatures("GenuineIntel", FLAGS, 64), {})["OMP_NUM_THREADS"] == "8"


def test_the_users_own_settings_stay() -> None:
    own = {"OMP_NUM_THREADS": "3", "FLAGS_use_stride_kernel": "1", "MKL_DEBUG_CPU_TYPE": "4"}
    assert cpu_settings(CpuFeatures("AuthenticAMD", FLAGS, 4), own) == {}


def test_processes_of_a_launch_share_the_cores() -> None:
    cpu = CpuFeatures("GenuineIntel", FLAGS, 4)
    assert cpu_settings(cpu, {"PADDLE_TRAINERS_NUM": "2"})["OMP_NUM_THREADS"] == "2"
    assert cpu_settings(cpu, {"PADDLE_TRAINERS_NUM": "8"})["OMP_NUM_THREADS"] == "1"


def test_reading_the_processor(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(
        "processor : 0\nvendor_id : AuthenticAMD\nflags : fpu avx2 fma\n\nprocessor : 1\nvendor_id : Other\n"
    )
    cpu = read_cpu_features(tmp_path / "cpuinfo")
    assert (cpu.vendor, cpu.flags) == ("AuthenticAMD", {"fpu", "avx2", "fma"})
    assert read_cpu_features(tmp_path / "nowhere").vendor == ""
    assert cpu.cores >= 1


def test_too_late_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddle", object())
    with pytest.raises(RuntimeError, match="before paddle is imported"):
        apply_cpu_settings({})


STEP = """
import json, sys
from ernie_toolkit.training.acceleration import apply_cpu_settings
if sys.argv[1] == "fast":
    assert apply_cpu_settings()
import numpy as np, paddle
from ernie_toolkit.models import load_model
from ernie_toolkit.training import seed_everything
seed_everything(3)
loaded = load_model(sys.argv[2], hidden_dropout=0.1, attention_dropout=0.1)
ids = np.random.default_rng(0).integers(5, 500, (16, 24))
loss = paddle.nn.functional.cross_entropy(loaded.model(paddle.to_tensor(ids)), paddle.to_tensor(ids[:, 0] % 2))
loss.backward()
print(json.dumps([loss.item(), *(float(p.grad.norm()) for p in loaded.model.parameters() if p.grad is not None)]))
"""


def test_loss_and_gradients_stay_the_same(model_dir: Path) -> None:
    """Dropout's random masks included."""
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")}
    figures = []
    for way in ("plain", "fast"):
        command = [sys.executable, "-c", STEP, way, str(model_dir)]
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=clean).stdout
        figures.append(json.loads(output.splitlines()[-1]))
    assert len(figures[0]) > 30
    assert np.allclose(figures[0], figures[1], rtol=1e-4, atol=1e-6)


TENSORS = """
import resource, sys
import numpy as np
from ernie_toolkit.training.acceleration import freed_memory_kept

def faults():
    np.ones(2**24)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        np.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

before = resident()
found = [faults()]
with freed_memory_kept():
    found.append(faults())
    kept = resident() - before
print(*found, faults(), kept, resident() - before)
"""


@pytest.mark.skipif(not hasattr(os, "confstr") or not (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="not glibc")
def test_freed_memory_is_used_again() -> None:
    """A block of 128 MB has 32,768 pages of 4 KiB, or 64 of 2 MiB. Only within it are they kept."""
    output = subprocess.run([sys.executable, "-c", TENSORS], check=True, capture_output=True, text=True).stdout
    before, within, after, kept, left = map(int, output.split())
    assert within < 20 < before and after > 20
    assert kept > 100 and left < 20
