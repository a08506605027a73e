"""`ondes demo` or `python -m demo`: serve the page."""

import argparse
import logging
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from demo.cleaning import Cleaner, own_temporary_folder
from demo.memory import share_arenas
from vocoders.core.errors import OndesError
from vocoders.core.runtime_names import RUNTIMES
from vocoders.core.threads import set_threads

__all__ = ["main", "run"]


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve the page and end the process; signals to end it remove the files of visitors, too."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = None
    try:
        folder = own_temporary_folder()
        status = main(arguments)
    except OndesError as error:
        print(f"demo: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:  # also during the start
        status = 130
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        # A second signal must not interrupt this.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    # Threads still compute: an orderly end of the interpreter would pull their libraries from under them.
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until it is interrupted; return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    share_arenas()
    set_threads()
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
    Cleaner().start()
    warm_up(demo.page)
    demo.block_thread()
    return 0


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ondes demo", description="Serve the demo of ondes: one page, offline.")
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


if __name__ == "__main__":
    run()
