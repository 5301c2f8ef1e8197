"""What the FastDeploy scripts share: arguments, the runtime, predicting, reporting."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, MutableMapping

import numpy as np

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import boolean, device_of, split_device
from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.console import OneLineParser, notice, print_line
from ernie_toolkit.data.inputs import texts_to_predict, with_answers
from ernie_toolkit.decoding import Answer, LabelAnswer, SpanAnswer, TaggedText
from ernie_toolkit.errors import BundleError, ConfigError, DeviceError
from ernie_toolkit.files import write_text
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.formats.ranges import BATCH_SIZE, SEQUENCE_LENGTH, THREADS, in_range
from ernie_toolkit.inference.console import (
    add_input_arguments,
    inputs_of,
    output_lines,
    show_skipped,
    warn_of,
)
from ernie_toolkit.inference.predictor import BundlePredictor, Run, limited
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.features import TextInput

if TYPE_CHECKING:
    import fastdeploy

DEVICES = ("cpu", "gpu", "kunlunxin")
BACKENDS = ("onnx_runtime", "paddle", "openvino", "tensorrt", "paddle_tensorrt")
# FastDeploy ends the process where a device has not the backend it is told to use.
PAIRS = {
    "cpu": ("onnx_runtime", "paddle", "openvino"),
    "gpu": ("onnx_runtime", "paddle", "tensorrt", "paddle_tensorrt"),
    "kunlunxin": ("paddle",),
}
LEGACY = Path("legacy")
# FastDeploy's OpenVINO (2023.0) plans multiplications with AMX that it then has no code for, and ends with "Primitive
# descriptor was not found". Below AMX, the most that oneDNN may use is this.
ISA_VARIABLE, ISA_WITHOUT_AMX = "ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"
CPU_INFO = Path("/proc/cpuinfo")


def keep_from_amx(backend: str, environ: MutableMapping[str, str]) -> None:
    """Keep FastDeploy's OpenVINO from AMX; to be called before FastDeploy is imported, which reads the variable then.

    Only for that backend, where the processor has AMX and the user has set nothing: the value is a maximum, and would
    keep other processors from instructions that are newer than it (AVX-VNNI). It stays in this process.
    """
    if backend == "openvino" and ISA_VARIABLE not in environ and has_amx():
        environ[ISA_VARIABLE] = ISA_WITHOUT_AMX


def has_amx() -> bool:
    """Whether the processor says that it has AMX; False where it cannot be asked."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return any(flag.startswith("amx_") for flag in flags)


def build_parser(prog: str, description: str | None, task: str) -> OneLineParser:
    """The guide's arguments, and those for texts."""
    parser = OneLineParser(prog=prog, description=description)
    parser.add_argument(
        "--model_dir", type=path_text, default=TASKS[task].model_path, help="bundle (default: %(default)s)"
    )
    parser.add_argument(
        "--model_prefix",
        default="model",
        choices=("model", "model_int8", "int8"),
        help="model: FP32; model_int8 or int8: the bundle's INT8 model, not for paddle (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="cpu", type=device_of(*DEVICES), help=f"{', '.join(DEVICES)}, gpu:1 (default: %(default)s)"
    )
    parser.add_argument(
        "--backend",
        default="onnx_runtime",
        choices=BACKENDS,
        help="onnx_runtime reads every bundle; paddle and paddle_tensorrt read the old format, see README "
        "(default: %(default)s)",
    )
    parser.add_argument("--batch_size", type=in_range(int, BATCH_SIZE), default=1, help="(default: %(default)s)")
    parser.add_argument(
        "--max_length", type=in_range(int, SEQUENCE_LENGTH), help="at most the bundle's own, which is the default"
    )
    parser.add_argument("--cpu_num_threads", type=in_range(int, THREADS), default=1, help="(default: %(default)s)")
    parser.add_argument("--use_fp16", type=boolean, default=False, help="with TensorRT only (default: false)")
    parser.add_argument("--use_fast", type=boolean, default=True, help="the tokenizer is always the fast one")
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    add_input_arguments(parser)
    add_guide_flags(parser, "deploy/python/seq_cls_infer.py")  # they all have the same
    return parser


def working_pairs(built: dict[str, bool]) -> str:
    """The pairs of device and backend that a build of FastDeploy takes; `built`: see `capabilities`."""
    backends = {
        device: ", ".join(backend for backend in PAIRS[device] if built.get(backend, True))
        for device in DEVICES
        if built.get(device, True)
    }
    return "; ".join(f"--device {device} with --backend {names}" for device, names in backends.items() if names)


def check_pair(device: str, backend: str, built: dict[str, bool]) -> None:
    """DeviceError where FastDeploy would end the process; `built`: what this build of it has, by device and backend."""
    if backend not in PAIRS[device]:
        reason = f"--device {device} has no --backend {backend}"
    elif not built.get(device, True):
        other = {"gpu": "fastdeploy-gpu-python has it", "kunlunxin": "a build from source can have it"}[device]
        reason = f"this fastdeploy was built without {device} ({other})"
    elif not built.get(backend, True):
        reason = f"this fastdeploy was built without {backend}"
    else:
        return
    raise DeviceError(f"{reason}: this build takes {working_pairs(built)}")


def capabilities() -> dict[str, bool]:
    """What the installed FastDeploy was built with."""
    import fastdeploy

    core = fastdeploy.C
    names = {str(item).lower() for item in core.get_available_backends()}
    return {
        "gpu": core.is_built_with_gpu(),
        "kunlunxin": any("lite" in name for name in names),
        "onnx_runtime": core.is_built_with_ort(),
        "paddle": core.is_built_with_paddle(),
        "openvino": core.is_built_with_openvino(),
        "tensorrt": core.is_built_with_trt(),
        "paddle_tensorrt": core.is_built_with_trt() and core.is_built_with_paddle(),
    }


def model_files(bundle: Bundle, backend: str, int8: bool) -> tuple[Path, Path | None]:
    """The model and, in the old format, its weights. Raises BundleError or ConfigError where they are not there."""
    if backend not in ("paddle", "paddle_tensorrt"):
        return bundle.path("onnx_int8" if int8 else "onnx"), None
    if int8:
        raise ConfigError(
            f"--backend {backend} reads FP32 models: leave --model_prefix out, or use onnx_runtime or openvino"
        )
    program = bundle.directory / LEGACY / "model.pdmodel"
    if not program.is_file():
        raise BundleError(
            f"{program} is missing, which --backend {backend} reads: python -m ernie_toolkit.export --legacy_pdmodel "
            f"--model_name_or_path {bundle.directory.parent}, or use --backend onnx_runtime"
        )
    return program, program.with_suffix(".pdiparams")


def make_option(args: argparse.Namespace, bundle: Bundle, max_length: int) -> fastdeploy.RuntimeOption:
    """FastDeploy's settings; imports it. Raises as `check_pair` and `model_files`."""
    keep_from_amx(args.backend, os.environ)
    try:
        import fastdeploy
    except ImportError as error:
        raise DeviceError(f"fastdeploy cannot be imported ({error}): see deploy/python/README.md") from error
    device, card = split_device(args.device)
    check_pair(device, args.backend, capabilities())
    trt = args.backend in ("tensorrt", "paddle_tensorrt")
    if args.use_fp16 and not trt:
        raise ConfigError("--use_fp16 is for --backend tensorrt and paddle_tensorrt: leave it out")
    program, weights = model_files(bundle, args.backend, args.model_prefix != "model")
    option = fastdeploy.RuntimeOption()
    if weights is None:
        option.set_model_path(str(program), model_format=fastdeploy.ModelFormat.ONNX)
    else:
        option.set_model_path(str(program), str(weights), fastdeploy.ModelFormat.PADDLE)
    use = {"cpu": option.use_cpu, "gpu": option.use_gpu, "kunlunxin": option.use_kunlunxin}[device]
    use(*(() if card is None else (card,)))
    option.set_cpu_thread_num(args.cpu_num_threads)
    if device == "kunlunxin":
        option.use_lite_backend()
    elif args.backend == "paddle":
        option.use_paddle_infer_backend()
    elif trt:
        option.use_trt_backend()
        if args.backend == "paddle_tensorrt":
            option.enable_paddle_to_trt()
            option.enable_paddle_trt_collect_shape()
        for name in bundle.info.inputs:
            shape = [args.batch_size, max_length]
            option.set_trt_input_shape(name, min_shape=[1, 1], opt_shape=shape, max_shape=shape)
        if args.use_fp16:
            option.enable_trt_fp16()
    elif args.backend == "openvino":
        option.use_openvino_backend()
    else:
        option.use_ort_backend()
    return option


def open_runtime(option: fastdeploy.RuntimeOption, bundle: Bundle) -> Run:
    """A function that computes batches with FastDeploy's runtime."""
    import fastdeploy

    runtime = fastdeploy.Runtime(option)
    names = bundle.info.inputs

    def run(batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [np.array(item) for item in runtime.infer({name: np.ascontiguousarray(batch[name]) for name in names})]

    return run


def show(number: int, batch_size: int, text: TextInput, answer: Answer) -> str:
    """An answer in the guide's form."""
    if isinstance(answer, LabelAnswer):
        texts = f"text:{text}" if isinstance(text, str) else f"sentence1:{text[0]}, sentence2:{text[1]}"
        place = f"Batch id:{number // batch_size}, example id:{number % batch_size}"
        return terminal_line(f"{place}, {texts}, label:{answer.label}, similarity:{answer.confidence:.4f}")
    if isinstance(answer, TaggedText):
        lines = [f"input data: {text}", "The model detects all entities:"]
        lines += [
            f"entity: {item.text}   label: {item.type}   pos: [{item.start}, {item.end - 1}]"
            for item in answer.entities
        ]
        return "\n".join([*map(terminal_line, lines), "-----------------------------"])
    assert isinstance(answer, SpanAnswer)
    place = f"pos: [{answer.start}, {answer.end - 1}]"
    lines = (f"question: {text[0]}", f"answer: {answer.text}   {place}   confidence: {answer.confidence:.4f}")
    return "\n".join(map(terminal_line, lines))


def run(args: argparse.Namespace, task: str) -> None:
    """Open bundle and runtime, predict, print or write. Raises ToolkitErrors, before FastDeploy is called."""
    bundle = read_bundle(args.model_dir, not args.no_verify)
    if bundle.info.task != task:
        raise ConfigError(f"{args.model_dir} is a bundle for the task '{bundle.info.task}', this script's is '{task}'")
    if not args.use_fast:
        notice("--use_fast false has no effect: there is one tokenizer, and it is the fast one")
    info = limited(bundle.info, args.max_length, None)
    inputs = inputs_of(args, info)
    option = make_option(args, bundle, info.max_seq_length)
    predictor = BundlePredictor(bundle, open_runtime(option, bundle), args.max_length)
    answers = predictor.predict(texts_to_predict(inputs), args.batch_size)
    if args.output_file:
        write_text(Path(args.output_file), output_lines(inputs, answers, task))
    warn_of(inputs, bundle.info)
    if args.output_file:
        print_line(f"{len(inputs)} answers in {args.output_file}")
        return
    for number, (row, answer) in enumerate(with_answers(inputs, answers)):
        skipped = answer is None or row.text is None
        print(show_skipped(row) if skipped else show(number, args.batch_size, row.text, answer))
