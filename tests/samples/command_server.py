"""Runs the `ondes` command of this tree in copies of a process that has imported everything: no start costs seconds.

python command_server.py SOCKET             serve
python command_server.py SOCKET COMMAND...  run `ondes COMMAND...` there, as if it ran here
"""

import json
import os
import signal
import socket
import sys
import traceback

# What commands import at once or later, where that takes a tenth of a second or more.
_MODULES = (
    "accelerate",
    "librosa.core.spectrum",
    "matplotlib.pyplot",
    "scipy.signal",
    "torch._dynamo",
    "torch.utils.tensorboard",
    "effects.engine",
    "effects.models.graybox",
    "recipes.cli.main",
    "recipes.data.effects.loader",
    "recipes.data.features",
    "recipes.metrics.evaluation",
    "recipes.metrics.registry",
    "recipes.metrics.report",
    "recipes.objectives",
    "recipes.trainer",
    "vocoders.periodwave.model",
    "vocoders.sashimi.diffwave",
    "vocoders.wavehax.model",
)


def serve(path: str) -> None:
    for module in _MODULES:
        __import__(module)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        size, files, _, _ = socket.recv_fds(connection, 8, 3)
        request = json.loads(_receive(connection, int.from_bytes(size)))
        for target, file in enumerate(files):
            os.dup2(file, target)
        # The former streams remember whether theirs could be sought.
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["ondes", *request["arguments"]]
        from recipes.cli.main import main

        code = main()
    except SystemExit as error:
        # Completion ends the process itself.
        code = error.code if isinstance(error.code, int) else 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code]))
    os._exit(code)


def _receive(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        content += connection.recv(size - len(content))
    return content


def ask(path: str, arguments: list[str]) -> int:
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    content = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [len(content).to_bytes(8)], [0, 1, 2])
        connection.sendall(content)
        answer = connection.recv(1)
    # A process that was killed answers nothing.
    return answer[0] if answer else 137


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
