"""The device that a run computes on, and its random numbers."""

from typing import TYPE_CHECKING

from ernie_toolkit.commands.fine_tuning import RunArguments
from ernie_toolkit.compression.options import check_distillation
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.training import seed_everything
from ernie_toolkit.training.devices import use_device

if TYPE_CHECKING:
    from ernie_toolkit.commands.compression import CompressArguments
    from ernie_toolkit.commands.distillation import DistillArguments


def set_up_device(arguments: "RunArguments | CompressArguments | DistillArguments") -> str:
    """Find the device, set Paddle up for it, and seed all random numbers; gives the device's name.

    A bundle is compressed on the CPU, without Paddle.

    Args:
        arguments: Of a run that fine-tunes, or of one that compresses or distils.

    Raises:
        DeviceError: Where a device was asked for that is not there.
        ConfigError: Where it cannot do what was asked.
    """
    options = arguments.training
    if not isinstance(arguments, RunArguments) and arguments.compression.input_infer_model_path:
        return "cpu"
    device = use_device(arguments.device or None, options.fast_cpu)
    if not isinstance(arguments, RunArguments):
        check_distillation(options, device)
        import paddle

        if paddle.distributed.get_world_size() > 1:
            raise ConfigError("compression runs in one process: start it without paddle.distributed.launch")
    elif device == "cpu" and (options.fp16 or options.bf16):
        raise ConfigError("--fp16 and --bf16 need a GPU: Paddle computes in float32 on the CPU; leave them out")
    seed_everything(options.seed)
    return device
