"""What the processor is said to have, with oneDNN's switch and without."""

import subprocess
import sys
from pathlib import Path

import pytest

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import processor
from ernie_toolkit.inference.processor import (
    FEATURES,
    ISA_VARIABLES,
    available_cores,
    check_precision,
    processor_features,
    processor_name,
)

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: A  Processor   with AMX
flags\t\t: fpu avx2 avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8

processor\t: 1
model name\t: another
flags\t\t: fpu
"""


@pytest.fixture
def cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file in place of /proc/cpuinfo, and no switch."""
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO, encoding="utf-8")
    monkeypatch.setattr(processor, "CPUINFO", path)
    for name in ISA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("", ("avx2", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")),
        ("DEFAULT", ("avx2", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")),
        ("AVX512_CORE_AMX", ("avx2", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")),
        ("AVX512_CORE_BF16", ("avx2", "avx512_vnni", "avx512_bf16")),
        ("avx512_core_vnni", ("avx2", "avx512_vnni")),
        ("AVX512_CORE", ("avx2",)),
        ("AVX2", ("avx2",)),
        ("SSE41", ()),
    ],
)
def test_features_and_the_switch(
    cpuinfo: Path, monkeypatch: pytest.MonkeyPatch, limit: str, expected: tuple[str, ...]
) -> None:
    assert processor_name() == "A Processor with AMX"
    for name in ISA_VARIABLES:
        monkeypatch.setenv(name, limit)
        assert processor_features() == expected
        monkeypatch.delenv(name)


@pytest.mark.parametrize("content", [None, "", "flags", "model name\t: x\n", "\xff\xfe"])
def test_a_system_that_says_nothing(cpuinfo: Path, content: str | None) -> None:
    if content is None:
        cpuinfo.unlink()
    else:
        cpuinfo.write_bytes(content.encode("latin-1"))
    assert processor_features() == () and processor_name()
    with pytest.raises(ConfigError, match="has neither of them in use"):
        check_precision("bf16")


def test_bf16_is_refused_where_it_would_be_emulated(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for precision in ("fp32", "bf16", "int8", "fp16", "auto"):
        check_precision(precision)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")
    with pytest.raises(ConfigError) as caught:
        check_precision("bf16")
    assert str(caught.value) == (
        "precision 'bf16' needs a processor with avx512_bf16 or amx_bf16, and A Processor with AMX has neither of them "
        "in use: take fp32 or int8"
    )


def test_the_switch_reaches_a_script(root: Path, bundle: object) -> None:
    """As a user sets it, in a process of its own."""
    script = root / "deploy" / "predictor" / "infer_cpu.py"
    command = [sys.executable, script, "--model_path", bundle.directory, "--precision_mode", "bf16"]
    environment = {"PATH": "/usr/bin:/bin", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "precision 'bf16' needs a processor with avx512_bf16 or amx_bf16" in done.stderr


def test_names_are_in_order() -> None:
    assert set(processor_features()) <= set(FEATURES) and available_cores() >= 1
