"""Find, check and set up the device that Paddle computes on."""

import os
import sys
from importlib.metadata import PackageNotFoundError, distribution

from ernie_toolkit.arguments.options import split_device
from ernie_toolkit.console import notice, say
from ernie_toolkit.errors import DeviceError
from ernie_toolkit.training.acceleration import apply_cpu_settings, import_paddle


def accelerate_cpu(device: str | None) -> None:
    """Set the environment variables that make Paddle faster on this CPU, unless it will compute on a GPU.

    They have no effect once Paddle is imported, as by a script that imports it at its top: a notice says so.

    Args:
        device: "cpu", "gpu:1" and the like; None for a GPU where there is one.
    """
    try:
        distribution("paddlepaddle-gpu")
        gpu_build = True
    except PackageNotFoundError:
        gpu_build = False
    if device == "cpu" or (device is None and not gpu_build):
        if "paddle" in sys.modules:
            notice(
                "Paddle was imported before its CPU settings could be made, and may be slower: import it in functions"
            )
            return
        settings = apply_cpu_settings()
        say("CPU settings: " + " ".join(f"{name}={value}" for name, value in settings.items()))


def check_device(device: str | None) -> str:
    """Return the device to compute on. Imports Paddle.

    Args:
        device: "cpu", "gpu", "xpu", "npu", also with a card ("gpu:1"); None for a GPU where there is one, else the CPU.

    Raises:
        DeviceError: Where this machine or this PaddlePaddle lacks the device, or where several processes would share
            one card.
    """
    kind, card = split_device(device or "")
    processes = int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))
    if card is not None and processes > 1:
        raise DeviceError(
            f"`device` {device} is one card, and paddle.distributed.launch started {processes} processes: give "
            f"`device` {kind}, and the cards to paddle.distributed.launch (--gpus)"
        )
    import_paddle()
    import paddle

    counts = {"gpu": paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0}
    counts["xpu"] = paddle.device.xpu.device_count() if paddle.is_compiled_with_xpu() else 0
    counts["npu"] = len([name for name in paddle.device.get_available_custom_device() if name.startswith("npu")])
    if device is None:
        if counts["gpu"]:
            return "gpu"
        say("notice: no GPU found, computing on the CPU (`device` cpu says so on purpose)")
        return "cpu"
    if kind != "cpu" and not counts[kind]:
        raise DeviceError(
            f"`device` {device}: this PaddlePaddle {paddle.__version__} sees no {kind}; install the build for it "
            "(docs/gpu_en.md), or use `device` cpu"
        )
    if card is not None and card >= counts[kind]:
        cards = ", ".join(f"{kind}:{number}" for number in range(counts[kind]))
        raise DeviceError(f"`device` {device}: there is no such card: this machine has {cards}")
    return device


def use_device(device: str | None, fast_cpu: bool = True) -> str:
    """Make a device the one that Paddle computes on, and return its name.

    Args:
        device: As for `check_device`.
        fast_cpu: Whether to call `accelerate_cpu` first.

    Raises:
        DeviceError: As `check_device`.
    """
    if fast_cpu:
        accelerate_cpu(device)
    found = check_device(device)
    import paddle

    paddle.set_device(found)
    return found


def end_distributed_run() -> None:
    """End a process of a distributed run when its work is done; do nothing where there is one process.

    When the interpreter takes Paddle's process groups down, their threads now and then end the process with a signal,
    and a successful run counts as failed.
    """
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
