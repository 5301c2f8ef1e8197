"""Faster fine-tuning with paddle on a CPU: settings read before paddle is imported, and a cheaper dropout.

Nothing here runs on import; this module imports paddle only inside the functions that need it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import paddle

_UINT16_VALUES = 1 << 16
# glibc's mallopt parameter numbers (malloc.h)
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_KEPT_BLOCK = 1 << 30


@dataclass(frozen=True)
class CpuFeatures:
    """Vendor name and instruction-set flags of the processor; both empty where they cannot be known."""

    vendor: str
    flags: frozenset[str]


def read_cpu_features(path: Path = Path("/proc/cpuinfo")) -> CpuFeatures:
    """Read the first processor of a Linux cpuinfo file; a machine without that file has no known features."""
    if not path.exists():
        return CpuFeatures("", frozenset())
    fields: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return CpuFeatures(fields.get("vendor_id", ""), frozenset(fields.get("flags", "").split()))


def cpu_settings(cpu: CpuFeatures, environ: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that make paddle faster on this CPU; what the user has set is left out.

    MKL_DEBUG_CPU_TYPE=5: the MKL inside the paddle wheel picks its matrix kernels by the maker's name and gives
    other makers' processors slow ones; 5 names the AVX2 kernels, safe wherever AVX2 and FMA exist.
    FLAGS_use_stride_kernel=0: a transposition is done once by a fast kernel instead of later by a slow copy.
    """
    settings: dict[str, str] = {}
    if cpu.vendor not in ("", "GenuineIntel") and {"avx2", "fma"} <= cpu.flags:
        settings["MKL_DEBUG_CPU_TYPE"] = "5"
    settings["FLAGS_use_stride_kernel"] = "0"
    return {name: value for name, value in settings.items() if name not in environ}


def apply_cpu_settings(environ: MutableMapping[str, str] | None = None) -> dict[str, str]:
    """Set cpu_settings in the environment and return those that were set.

    Raises RuntimeError where paddle is already imported, because it would no longer read them.
    """
    if "paddle" in sys.modules:
        raise RuntimeError("apply_cpu_settings must run before paddle is imported")
    target = os.environ if environ is None else environ
    settings = cpu_settings(read_cpu_features(), target)
    target.update(settings)
    return settings


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks for the next step instead of giving them back and faulting them in again.

    Returns whether the C library took the setting (False on one without mallopt). It lasts for the process.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    taken = [mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BLOCK), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)]
    return all(result == 1 for result in taken)


def dropout_mask(shape: list[int], probability: float, seed: int) -> np.ndarray:
    """Inverted-dropout factors: float32 of `shape`, each 0 with `probability`, else 1 / (1 - probability).

    The probability is rounded to a multiple of 2**-16, and the factor is that of the rounded value, so the mean
    is exactly 1. The same seed gives the same mask.
    """
    dropped = round(probability * _UINT16_VALUES)
    if not 0 <= dropped < _UINT16_VALUES:
        raise ValueError(f"a dropout probability must lie in [0, 1), not {probability}")
    size = int(np.prod(shape))
    words = np.random.SFC64(seed).random_raw((size + 3) // 4)
    kept = words.view(np.uint16)[:size] >= dropped
    factor = np.float32(_UINT16_VALUES / (_UINT16_VALUES - dropped))
    mask: np.ndarray = np.multiply(kept, factor, dtype=np.float32).reshape(shape)
    return mask


def fast_dropout(x: paddle.Tensor, probability: float) -> paddle.Tensor:
    """Inverted dropout of a float32 CPU tensor in dygraph, seeded from paddle's own generator (paddle.seed)."""
    import paddle

    seed = int(paddle.randint(0, 2**31 - 1, [1], dtype="int64"))
    return x * paddle.to_tensor(dropout_mask(list(x.shape), probability, seed), place=x.place)


@contextmanager
def fast_dropout_layers(model: paddle.nn.Layer) -> Iterator[int]:
    """Give every dropout and attention layer of `model` the cheaper dropout for a block; tell how many there are.

    Only float32 CPU tensors in dygraph training take the new path; anything else (evaluation, a cache,
    returned attention weights) runs Paddle's own code. Parameters and their names stay as they are.
    """
    replacements = _fast_layers()
    changed = [(layer, type(layer)) for layer in model.sublayers(include_self=True) if type(layer) in replacements]
    for layer, original in changed:
        layer.__class__ = replacements[original]
    try:
        yield len(changed)
    finally:
        for layer, original in changed:
            layer.__class__ = original


def _fast_layers() -> dict[type, type]:
    """The replacement of each class of layers."""
    import paddle
    from paddle import nn

    def suits(layer: nn.Layer, x: paddle.Tensor) -> bool:
        return bool(
            layer.training and paddle.in_dynamic_mode() and x.dtype == paddle.float32 and x.place.is_cpu_place()
        )

    class FastDropout(nn.Dropout):
        def forward(self, x: paddle.Tensor) -> paddle.Tensor:
            plain = self.axis is None and self.mode == "upscale_in_train" and 0.0 < self.p < 1.0
            return fast_dropout(x, self.p) if plain and suits(self, x) else super().forward(x)

    class FastAttention(nn.MultiHeadAttention):
        def forward(
            self,
            query: paddle.Tensor,
            key: paddle.Tensor | None = None,
            value: paddle.Tensor | None = None,
            attn_mask: paddle.Tensor | None = None,
            cache: Any = None,
        ) -> Any:
            plain = cache is None and not self.need_weights and 0.0 < self.dropout < 1.0
            floating = attn_mask is None or attn_mask.dtype == query.dtype
            if not (plain and floating and suits(self, query)):
                return super().forward(query, key, value, attn_mask, cache)
            key = query if key is None else key
            q, k, v = self._prepare_qkv(query, key, query if value is None else value, None)
            scores = paddle.matmul(q * self.head_dim**-0.5, k, transpose_y=True)
            if attn_mask is not None:
                scores = scores + attn_mask
            weights = fast_dropout(nn.functional.softmax(scores), self.dropout)
            context = paddle.matmul(weights, v).transpose([0, 2, 1, 3])
            return self.out_proj(context.reshape([0, 0, self.embed_dim]))

    return {nn.Dropout: FastDropout, nn.MultiHeadAttention: FastAttention}
