"""The processes of a service: a socket, one or several workers, a stop that finishes what was taken."""

import functools
import ipaddress
import os
import signal
import socket
import sys
import tempfile
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.simple_serving.app import create_app
from ernie_toolkit.simple_serving.log import log_config
from ernie_toolkit.simple_serving.options import KEY_VARIABLE, ServingOptions
from ernie_toolkit.simple_serving.protocol import GuardedProtocol
from ernie_toolkit.simple_serving.service import open_predictor
from ernie_toolkit.tasks import TASKS

# uvicorn kills a worker that leaves a ping unanswered for this long; loading a large model must not count as that.
WORKER_SILENCE = 120
BACKLOG = 2048  # uvicorn's own


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    It listens at once: of two servers started together on one port both can bind, and one can listen.

    Args:
        host: A name or an address.
        port: 0 for a free one.

    Raises:
        ConfigError: Where it cannot listen.
    """
    if not 0 <= port < 1 << 16:
        raise ConfigError(f"`port` {port}: it must be between 0 and 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that is none, "a..b"
        reason = error.strerror if isinstance(error, OSError) else "no name of a machine"
        raise ConfigError(f"`host` {host}: {reason or error}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot listen on {host}, port {port}: {reason}: choose another `port` or `host`") from None
    bound.set_inheritable(True)
    return bound


def say_who_can_ask(options: ServingOptions, address: str) -> None:
    """Say what it means that a server listens on more than this machine's own address.

    Args:
        options: Whether requests have to show a key.
        address: The address that it listens on.
    """
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return
    key = "with the API key" if options.api_key else f"without a key (${KEY_VARIABLE} sets one)"
    sys.stderr.write(
        f"{address}: every machine that reaches this one can ask, {key}, and nothing is encrypted: "
        "let only a network that you trust, or a reverse proxy, reach it\n"
    )


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def serve(options: ServingOptions, host: str, port: int, access_log: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was taken, for `options.stop_timeout` seconds at most.

    Args:
        options: The service's settings.
        host: See `bind`.
        port: See `bind`.
        access_log: Whether each request is logged.

    Raises:
        ToolkitError: As `open_predictor`, before anything is served.
    """
    options.connections()
    # uvicorn raises the signal again when it has stopped: an orderly stop ends with code 0.
    signal.signal(signal.SIGTERM, _leave)
    with bind(host, port) as listener:
        say_who_can_ask(options, listener.getsockname()[0])
        address = f"[{host}]" if ":" in host else host
        server = f"http://{address}:{listener.getsockname()[1]}"
        sys.stderr.write(f"{server}/{TASKS[options.task].service_path}: loading (a page to try it: {server}/)\n")
        if options.workers == 1:
            uvicorn.Server(_config(create_app(options), options, access_log)).run([listener])
            return
        open_predictor(options)  # what is wrong with the bundle is said once, here
        with tempfile.TemporaryDirectory(prefix="ernie_serving_") as directory:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
            config = _config(functools.partial(create_app, options), options, access_log, factory=True)
            Multiprocess(config, [listener]).run()


def _config(app: object, options: ServingOptions, access_log: bool, factory: bool = False) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        workers=options.workers,
        loop="ernie_toolkit.simple_serving.listener:ListeningLoop",
        http=GuardedProtocol,
        ws="none",
        backlog=BACKLOG,
        lifespan="on",
        log_config=log_config(),
        log_level="info" if access_log else "warning",
        access_log=access_log,
        server_header=False,
        timeout_keep_alive=options.keep_alive_timeout,
        timeout_graceful_shutdown=options.stop_timeout,
        timeout_worker_healthcheck=WORKER_SILENCE,
    )
