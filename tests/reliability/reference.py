"""A real training, small enough to be killed twenty times, and how runs are compared."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.files.manifest import check_manifest
from seq2seq.training.checkpoint import checkpoint_folders

RECIPE = [
    *("data.train=300", "data.validation_size=8", "data.test_size=8", "training.batch_tokens=200"),
    *("model.hidden_size=16", "model.embedding_size=8", "model.dropout=0.2", "model.layers=1"),
    # Nearly two epochs; checkpoints with and without validations; log lines that no checkpoint follows.
    *("training.max_updates=24", "training.validate_every=8", "training.checkpoint_every=3", "training.log_every=2"),
]


@dataclass(frozen=True)
class Reference:
    """A training that nobody disturbed."""

    arguments: Callable[[Path], list[str]]
    """Of the command that trains the same into a folder."""
    run: Path
    ending: dict[str, Any]
    touches: int
    """Of files, by the command."""
    seconds: float


def ending(run: Path) -> dict[str, Any]:
    """All that a finished run is, but for what the clock says."""
    newest = checkpoint_folders(run)[0]
    evaluation = json.loads((run / "evaluation.json").read_bytes())
    log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    clock = ("seconds", "time", "minutes", "tokens_per_second", "digest")  # the last is of the others
    return {
        "files": sorted(path.relative_to(run).as_posix() for path in run.rglob("*")),
        "manifest": check_manifest(run),
        "state": check_manifest(newest)["files"]["tensors.safetensors"],
        "evaluation": {key: value for key, value in evaluation.items() if key not in clock},
        # All but how often training was started and stopped.
        "log": [
            {key: value for key, value in line.items() if key not in clock}
            for line in log
            if line["type"] not in ("start", "stop")
        ],
    }
