"""Settings of the process that make Paddle train faster on a CPU and compute the same.

Most are environment variables that Paddle and the libraries in its wheel read once, when they are loaded:
call `apply_cpu_settings` before Paddle is imported. `benchmarks/training_speed.py` measures what they gain.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.inference.memory import M_MMAP_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, give_back_memory, glibc
from ernie_toolkit.inference.processor import available_cores

# The matrices of one fine-tuning batch are too small to keep more threads busy.
MAX_THREADS = 8
# glibc's own values: blocks that it takes from the system one by one at most, and the largest size of one that it does
# not, to which it adjusts itself.
_MMAP_MAX, _LARGEST_THRESHOLD = 65536, 32 << 20
# What the AVX-512 kernels of the MKL in Paddle's wheel need.
_AVX512 = frozenset({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"})


@dataclass(frozen=True)
class CpuFeatures:
    """What is known of the processor.

    Attributes:
        vendor: Its maker's name, empty where it cannot be known.
        flags: Its instruction sets, empty where they cannot be known.
        cores: Processors that this process may use.
    """

    vendor: str
    flags: frozenset[str]
    cores: int


def read_cpu_features(path: Path = Path("/proc/cpuinfo")) -> CpuFeatures:
    """Read the first processor of a Linux cpuinfo file, and the processors that this process may use."""
    cores = available_cores()
    if not path.exists():
        return CpuFeatures("", frozenset(), cores)
    fields: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return CpuFeatures(fields.get("vendor_id", ""), frozenset(fields.get("flags", "").split()), cores)


def cpu_settings(cpu: CpuFeatures, environ: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that make Paddle faster on this CPU; what the user has set is left out.

    MKL_DEBUG_CPU_TYPE=5: the MKL inside the Paddle wheel picks its matrix kernels by the maker's name and gives other
    makers' processors slow ones; 7 names the AVX-512 kernels, 5 the AVX2 kernels, which need FMA too.
    FLAGS_use_stride_kernel=0: a transposition is done once by a fast kernel instead of later by a slow copy.
    OMP_NUM_THREADS: Paddle sets it to 1 where nobody has; the cores are shared by the processes of a launch. Only on
    x86 processors: the wheels for others carry OpenBLAS, with which Paddle allows one thread.

    Args:
        cpu: The processor.
        environ: The environment, which is only read.
    """
    settings: dict[str, str] = {}
    if cpu.vendor not in ("", "GenuineIntel") and {"avx2", "fma"} <= cpu.flags:
        settings["MKL_DEBUG_CPU_TYPE"] = "7" if cpu.flags >= _AVX512 else "5"
    settings["FLAGS_use_stride_kernel"] = "0"
    if "avx2" in cpu.flags:
        processes = int(environ.get("PADDLE_TRAINERS_NUM", "1"))
        settings["OMP_NUM_THREADS"] = str(max(1, min(cpu.cores // processes, MAX_THREADS)))
    return {name: value for name, value in settings.items() if name not in environ}


def apply_cpu_settings(environ: MutableMapping[str, str] | None = None) -> dict[str, str]:
    """Set `cpu_settings` in the environment and return those that were set.

    Raises:
        RuntimeError: Where Paddle is already imported and some are missing, because it would no longer read them.
    """
    target = os.environ if environ is None else environ
    settings = cpu_settings(read_cpu_features(), target)
    if settings and "paddle" in sys.modules:
        raise RuntimeError("apply_cpu_settings must run before paddle is imported")
    target.update(settings)
    return settings


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within it this process uses freed memory again instead of giving it back; what is free at the end is given back.

    The C library gives large blocks back to the system when they are freed, so that each step of training would get
    its tensors anew from the system, page by page: the gradient of a vocabulary of 40,000 alone is 60 MB. Only glibc
    can do otherwise; with another C library nothing changes.
    """
    library = glibc()
    if library is None:
        yield
        return
    # -1 is the largest value: the heap is never made smaller.
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        # glibc would adjust these by itself, but no longer does once they were set: its own largest values.
        library.mallopt(M_MMAP_MAX, _MMAP_MAX)
        library.mallopt(M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        library.mallopt(M_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)
        give_back_memory()


def import_paddle() -> None:
    """Import Paddle without its warning of any OMP_NUM_THREADS but 1; what else it prints goes to standard error."""
    with contextlib.redirect_stderr(io.StringIO()) as notices:
        import paddle  # noqa: F401
    for line in notices.getvalue().splitlines():
        if line.strip() and "OMP_NUM_THREADS" not in line:
            sys.stderr.write(line + "\n")
