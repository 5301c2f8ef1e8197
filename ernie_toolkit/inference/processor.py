"""What this machine's processor is, and which instructions for low precision it has."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from ernie_toolkit.errors import ConfigError

CPUINFO = Path("/proc/cpuinfo")
# By the names that Linux gives them.
FEATURES = ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
INT8_FEATURES = ("avx_vnni", "avx512_vnni", "amx_int8")
BF16_FEATURES = ("avx512_bf16", "amx_bf16")
# oneDNN's own switch, which OpenVINO's and Paddle's kernels obey: the features that each of its values leaves.
# https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
ISA_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_LEFT = {
    "SSE41": (),
    "AVX": (),
    "AVX2": ("avx2",),
    "AVX2_VNNI": ("avx2", "avx_vnni"),
    "AVX2_VNNI_2": ("avx2", "avx_vnni"),
    "AVX512_CORE": ("avx2",),
    "AVX512_CORE_VNNI": ("avx2", "avx512_vnni"),
    "AVX512_CORE_BF16": ("avx2", "avx512_vnni", "avx512_bf16"),
    "AVX512_CORE_FP16": ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16"),
    "AVX10_1_512": ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16"),
}


def _first_line(start: str) -> str:
    """The value of the first line of /proc/cpuinfo that starts so; empty where there is none."""
    if not CPUINFO.is_file():
        return ""
    with CPUINFO.open(encoding="utf-8", errors="replace") as lines:
        return next((" ".join(line.partition(":")[2].split()) for line in lines if line.startswith(start)), "")


def processor_name() -> str:
    """Return the name of this machine's processor, as far as the system names it."""
    return _first_line("model name") or platform.processor() or platform.machine() or "unknown processor"


def processor_features() -> tuple[str, ...]:
    """Return those of `FEATURES` that this processor has and oneDNN may use; none where the system is not Linux."""
    flags = set(_first_line("flags").split())
    limit = next((os.environ[name].upper() for name in ISA_VARIABLES if os.environ.get(name)), "")
    left = _LEFT.get(limit, FEATURES)
    return tuple(name for name in FEATURES if name in flags and name in left)


def computes(precision: str) -> bool:
    """Return whether this processor has instructions for a precision; FP32 every one has."""
    needed = {"int8": INT8_FEATURES, "bf16": BF16_FEATURES}.get(precision, ())
    return not needed or bool(set(needed) & set(processor_features()))


def check_precision(precision: str) -> None:
    """Check that this processor does not emulate a precision: it would be 30 times slower than FP32.

    Args:
        precision: What a model is to compute in; only "bf16" needs instructions of its own.

    Raises:
        ConfigError: Where the precision is "bf16" and the processor has none for it in use.
    """
    if precision == "bf16" and not computes(precision):
        raise ConfigError(
            f"precision 'bf16' needs a processor with {' or '.join(BF16_FEATURES)}, and {processor_name()} has neither "
            "of them in use: take fp32 or int8"
        )


def available_cores() -> int:
    """Return how many processors this process may run on (a container's share, not the machine's)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
