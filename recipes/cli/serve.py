"""`ondes serve`: a vocoder behind a local port, in streams and for whole files."""

from typing import Annotated

import typer

from recipes.cli.printing import say
from recipes.cli.threads_option import ThreadsOption
from vocoders.core.runtime_names import RuntimeName

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("serve")(_serve)


def _serve(
    model: Annotated[str | None, typer.Option("--model", "-m", help="Shipped name, folder or hub id.")] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address; 0.0.0.0 lets other machines in, without a password.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0: any free one.")] = 7870,
    clients: Annotated[int, typer.Option("--clients", min=1, help="Most clients at the same time.")] = 10,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Longest stream or file.")] = 3600.0,
    idle: Annotated[float, typer.Option("--idle", min=1, help="Seconds of silence after which a stream ends.")] = 30.0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    runtime: Annotated[
        RuntimeName, typer.Option("--runtime", help="Code that computes the network on the CPU; auto: the fastest.")
    ] = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Serve a vocoder to programs of this machine.

    /stream is a WebSocket: features or audio in, audio out, as it is made.
    /synthesize takes a file by HTTP POST and returns a WAV. /health tells
    whether the server is well. README shows a client.

    Example: ondes serve --model wavehax-24k
    """
    from recipes.serving.limits import Limits
    from vocoders.core.device import resolve_device
    from vocoders.core.errors import MissingExtraError
    from vocoders.registry import default_vocoder, load_vocoder

    try:
        import uvicorn
        import websockets  # noqa: F401  (uvicorn needs it for /stream)

        from recipes.serving.app import make_app
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "serve", "ondes serve") from None
    limits = Limits(clients=clients, seconds=seconds, idle_seconds=idle)
    name = model or default_vocoder()
    app = make_app(load_vocoder(name, resolve_device(device), runtime=runtime), name, limits)
    say(f"{name} at http://{host}:{port}, streams at ws://{host}:{port}/stream", err=True)
    uvicorn.run(app, host=host, port=port, log_level="warning", ws_max_size=limits.message_bytes, access_log=False)
