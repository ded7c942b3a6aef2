"""``log.jsonl``: a line of JSON for each thing worth knowing that happened in a training, in order."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seq2seq.model.durable import explained, write_durably

LOG = "log.jsonl"


def append_log(run: Path, line: Mapping[str, Any]) -> None:
    """Adds a line."""
    with explained(run / LOG), (run / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def cut_log(run: Path, updates: int) -> None:
    """Takes away what came after a checkpoint that training goes back to, since it will come again.

    A line that a crash left half written goes too.
    """
    path = run / LOG
    whole = path.read_bytes() if path.is_file() else b""
    kept = b"".join(line for line in whole.splitlines(keepends=True) if _belongs(line, updates))
    if kept != whole:
        write_durably(path, kept)


def _belongs(line: bytes, updates: int) -> bool:
    try:
        content = json.loads(line)
        return line.endswith(b"\n") and content.get("updates", 0) <= updates
    except (ValueError, AttributeError, TypeError):
        return False
