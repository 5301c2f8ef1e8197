"""FastDeploy's OpenVINO is kept from AMX before FastDeploy is imported: only that backend, only where AMX is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT

from ernie_toolkit.bundle import Bundle

WITHOUT_AMX = "processor\t: 0\nflags\t\t: fpu avx2 avx_vnni avx512f avx512_bf16\n"
WITH_AMX = "processor\t: 0\nmodel name\t: x\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile amx_int8\n"
# A package of this name stands in for the real one, which this environment has not: it says what it found when it was
# imported, and goes no further.
PACKAGE = """
import json, os
with open(os.environ["SEEN"], "w") as stream:
    json.dump(os.environ.get("ONEDNN_MAX_CPU_ISA"), stream)
raise ImportError("stands in for the real one")
"""
CODE = """
import sys
from pathlib import Path
from ernie_toolkit.fastdeploy import processor
processor.CPU_INFO = Path(sys.argv.pop(1))
import seq_cls_infer
seq_cls_infer.main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("processor", "backend", "given", "expected"),
    [
        (WITH_AMX, "openvino", None, "AVX512_CORE_BF16"),
        (WITH_AMX, "openvino", "AVX2", "AVX2"),
        (WITH_AMX, "openvino", "", ""),
        (WITH_AMX, "onnx_runtime", None, None),
        (WITH_AMX, "paddle", None, None),
        (WITHOUT_AMX, "openvino", None, None),
        (None, "openvino", None, None),
    ],
)
def test_what_fastdeploy_sees(
    bundle: Bundle, tmp_path: Path, processor: str | None, backend: str, given: str | None, expected: str | None
) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "fastdeploy.py").write_text(PACKAGE, encoding="utf-8")
    if processor is not None:
        (tmp_path / "cpuinfo").write_text(processor, encoding="utf-8")
    seen = tmp_path / "seen.json"
    paths = (tmp_path / "packages", ROOT / "deploy" / "python", ROOT)
    others = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    command = [sys.executable, "-c", CODE, str(tmp_path / "cpuinfo"), "--model_dir", str(bundle.directory)]
    done = subprocess.run(
        [*command, "--backend", backend],
        capture_output=True,
        text=True,
        check=False,
        env={
            **others,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "SEEN": str(seen),
            **({} if given is None else {"ONEDNN_MAX_CPU_ISA": given}),
        },
    )
    assert done.returncode == 2 and "stands in for the real one" in done.stderr, done.stderr
    assert json.loads(seen.read_text(encoding="utf-8")) == expected
