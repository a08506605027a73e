"""`python -m demo`: serve the page."""

import argparse
import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from demo.memory import share_arenas
from vocoders.core.errors import OndesError
from vocoders.core.runtime_names import RUNTIMES
from vocoders.core.threads import set_threads

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until it is interrupted; return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    share_arenas()
    set_threads()
    _own_temporary_folder()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        # Gradio reads the folder for its files when it is imported.
        from demo.app import build, launch_options, warm_up

        demo = build([path.expanduser().resolve() for path in options.models], options.runtime)
        address = {"server_name": options.host, "server_port": options.port, "share": options.share}
        demo.launch(**address, **launch_options(), prevent_thread_lock=True)
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        print("demo: gradio is not installed; pip install 'ondes[demo]'", file=sys.stderr)
        return 2
    except OndesError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # Gradio's text names the ports that it tried.
        print(f"demo: {error}", file=sys.stderr)
        return 1
    warm_up(demo.library)
    demo.block_thread()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Serve the demo of ondes: one page, offline.")
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen on; 0.0.0.0 allows other machines (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ["GRADIO_SERVER_PORT"]) if "GRADIO_SERVER_PORT" in os.environ else None,
        help="port (default: the first free one from 7860)",
    )
    parser.add_argument(
        "--models",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a model folder, or a folder of model folders; repeat for more",
    )
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="what computes vocoders on a CPU; auto: the fastest that is installed and agrees (default: %(default)s)",
    )
    parser.add_argument(
        "--share", action="store_true", help="open a public link through Gradio's servers (default: off)"
    )
    return parser


def _own_temporary_folder() -> None:
    """Keep the files of visitors in a folder that is removed when the server stops."""
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="ondes-demo-")
        os.environ["GRADIO_TEMP_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # also during the start
        sys.exit(130)
