"""The device that Paddle computes on: found, checked, and on a CPU set up to be fast."""

import os
import sys
from importlib.metadata import PackageNotFoundError, distribution

from ernie_toolkit.arguments.options import split_device
from ernie_toolkit.console import notice, say
from ernie_toolkit.errors import DeviceError
from ernie_toolkit.training.acceleration import apply_cpu_settings, import_paddle


def accelerate_cpu(device: str | None) -> None:
    """Set what makes Paddle faster on this CPU, where it will compute there; has to come before Paddle is imported.

    Where it comes later, which a script that imports Paddle at its top makes it, that is printed.
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
    """The device to compute on: what was asked for and is there, else a GPU where there is one, else the CPU.

    `device` may name a card ("gpu:1"). Imports paddle. Raises DeviceError where a device was asked for and this
    PaddlePaddle has none, or several processes were told to share one card.
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
            "(README, 'GPU'), or use `device` cpu"
        )
    if card is not None and card >= counts[kind]:
        cards = ", ".join(f"{kind}:{number}" for number in range(counts[kind]))
        raise DeviceError(f"`device` {device}: there is no such card: this machine has {cards}")
    return device


def use_device(device: str | None, fast_cpu: bool = True) -> str:
    """Find the device to compute on, set it up and make it Paddle's; gives its name (see `check_device`)."""
    if fast_cpu:
        accelerate_cpu(device)
    found = check_device(device)
    import paddle

    paddle.set_device(found)
    return found


def end_distributed_run() -> None:
    """End a process of a distributed run at once, after all that it does; does nothing where there is one process.

    When the interpreter takes Paddle's process groups down, their threads now and then end the process with a signal,
    and a run that has gone well counts as failed.
    """
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
