"""Which instructions FastDeploy's OpenVINO may use on this processor."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

# FastDeploy's OpenVINO (2023.0) plans multiplications with AMX that it then has no code for, and ends with "Primitive
# descriptor was not found". Below AMX, the most that oneDNN may use is this.
ISA_VARIABLE, ISA_WITHOUT_AMX = "ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"
CPU_INFO = Path("/proc/cpuinfo")


def keep_from_amx(backend: str, environ: MutableMapping[str, str]) -> None:
    """Keep FastDeploy's OpenVINO from AMX; call it before FastDeploy is imported, which reads the variable then.

    The variable is set only for that backend, where the processor has AMX and the user has set nothing: its value is a
    maximum, and would keep other processors from instructions that are newer than it (AVX-VNNI).

    Args:
        backend: One of `runtime.BACKENDS`.
        environ: The environment of this process, which is changed.
    """
    if backend == "openvino" and ISA_VARIABLE not in environ and has_amx():
        environ[ISA_VARIABLE] = ISA_WITHOUT_AMX


def has_amx() -> bool:
    """Whether the processor lists AMX among its instructions; False where there is no such list."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return any(flag.startswith("amx_") for flag in flags)
