"""Commands as real processes have them: each in a child of one interpreter, whose environment the test chose.

``python commands.py JOB FOLDER`` reads a list of commands from the file JOB and writes what each says, and its status,
to FOLDER. Streams that this process was started without, its children lack too.
"""

import json
import math
import os
import sys
import traceback
from pathlib import Path

import torch
import torch._dynamo  # what training imports, once for all children

import seq2seq.training.train  # noqa: F401
from seq2seq.cli import main
from seq2seq.model.vision.efficientnet import EfficientNetLite0


def know_nothing(backbone: EfficientNetLite0, folder: Path) -> None:
    """Takes the place of the published weights: the same random ones each time."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.parameters():
            size = parameter[0].numel() if parameter.dim() > 1 else math.inf
            parameter.normal_(std=(2 / size) ** 0.5, generator=generator)


def _child(arguments: list[str], files: tuple[str, str, str], closed: list[int]) -> int:
    for number, path in enumerate(files):
        if number not in closed:
            descriptor = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(descriptor, number)
            os.close(descriptor)
    status: object = 99
    try:
        status = main(arguments)
        for stream in (sys.stdout, sys.stderr):  # as the interpreter does at its end
            if stream is not None:
                stream.flush()
    except SystemExit as error:
        status = error.code
    except BaseException:
        status = 99
        traceback.print_exc()
    return status if isinstance(status, int) else 98


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_bytes())
    EfficientNetLite0.load_pretrained = know_nothing  # type: ignore[method-assign,assignment]
    for place, command in enumerate(job["commands"]):
        # Names of any bytes are written in JSON with surrogate escapes, whatever this process's locale makes of them.
        arguments = [os.fsdecode(one.encode("utf-8", "surrogateescape")) for one in command["arguments"]]
        said = os.path.join(sys.argv[2], str(place))
        pid = os.fork()
        if pid == 0:
            files = (command["stdin"], f"{said}.out", f"{said}.err")
            os._exit(_child(arguments, files, job["closed"]))
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with open(f"{said}.status", "w", encoding="ascii") as stream:
            stream.write(str(ended))
