"""A trained run as ONNX files, for programs without torch."""

import importlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seq2seq.corpus.subword import BOS, EOS, PAD, UNK
from seq2seq.errors import Seq2SeqError
from seq2seq.files.atomic import new_folder
from seq2seq.files.hashing import file_sha256
from seq2seq.files.manifest import MANIFEST
from seq2seq.onnx.graphs import NEXT
from seq2seq.onnx.onnx_files import write_graphs
from seq2seq.onnx.verify import largest_difference
from seq2seq.runs.folder import LoadedRun, load_run
from seq2seq.runs.layout import CONFIG, MODEL
from seq2seq.version import __version__

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_SCRIPT = "translate.py"


def export(run: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Writes a run as ``encoder.onnx`` and ``decoder_step.onnx``, with everything another program needs to use them.

    That is the subword models, ``config.toml``, ``manifest.json`` (names, types and shapes of inputs and outputs), a
    ``README.md`` and, for text, ``translate.py``, which runs them without this package. The files are compared with
    torch on batches of other sizes and lengths before they appear under ``out``.

    Args:
        run: a trained run.
        out: a new or empty folder.

    Returns:
        ``out``.

    Raises:
        RunError: the run is incomplete or damaged.
        Seq2SeqError: ``out`` is not a new or empty folder, a package is missing, or the model cannot be exported.
    """
    out = Path(out).absolute()
    if str(out).encode(errors="replace").decode() != str(out):
        raise Seq2SeqError(f"{out}: expected UTF-8, since onnxruntime opens no other path; choose another --out")
    _check_packages()
    loaded = load_run(Path(run))
    with new_folder(out, size=2 * (loaded.folder / MODEL).stat().st_size) as folder:
        _write_files(folder, loaded)
    return out


def _check_packages() -> None:
    for name in _PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise Seq2SeqError(
                f"export needs the packages {', '.join(_PACKAGES)}, and {name} cannot be imported ({error}): "
                f'install them, for example with "pip install {" ".join(_PACKAGES)}"'
            ) from None


def _write_files(folder: Path, loaded: LoadedRun) -> None:
    config, model = loaded.config, loaded.model.eval()
    reverse_source = config.model.reverse_source
    try:
        graphs = write_graphs(model, folder, reverse_source=reverse_source)
    except OSError:
        raise
    except Exception as error:
        reason = next(line for line in [*str(error).splitlines(), type(error).__name__] if line.strip())
        raise Seq2SeqError(
            f"{loaded.folder} cannot be exported: expected graphs for every batch and length, but torch cannot "
            f"write them ({reason}); use the run with seq2seq itself, or train it with other [model] settings"
        ) from error
    difference = largest_difference(model, folder, reverse_source=reverse_source)
    shutil.copyfile(loaded.folder / CONFIG, folder / CONFIG)
    loaded.vocabularies.save(folder)
    if not config.data.reads_images:
        shutil.copyfile(Path(__file__).with_name("translate_onnx.py"), folder / _SCRIPT)
    manifest = _manifest(loaded, [asdict(graph) for graph in graphs], difference)
    (folder / "README.md").write_text(_readme(manifest), encoding="utf-8")
    manifest["files"] = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _manifest(loaded: LoadedRun, graphs: Sequence[dict[str, Any]], difference: float) -> dict[str, Any]:
    config, (encoder, step) = loaded.config, graphs
    joint = loaded.vocabularies.joint
    kinds = dict.fromkeys((config.subword.type, config.subword.of_target().type))
    return {
        "seq2seq": __version__,
        "source": "pictures" if config.data.reads_images else "text",
        "encoder": encoder,
        "decoder_step": step,
        "next": {port["name"]: port["name"].removesuffix(NEXT) for port in step["outputs"][1:]},
        "tokens": {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS},
        "never_written": [PAD, UNK, BOS],
        "subword": {name: getattr(config.subword, name) for name in ("unicode", "lowercase", "protect")}
        | {"types": list(kinds)}
        | {side: f"subword.{'joint' if joint else side}.model" for side in ("src", "tgt")},
        "max_tokens": config.data.max_tokens,
        "longest_outputs": loaded.target_lengths.limits,
        "largest_difference": difference,
    }


def _readme(manifest: dict[str, Any]) -> str:
    """The manifest as instructions for people."""
    text = manifest["source"] == "text"
    reads = (
        "`src` holds subword ids without end marks, padded with any ids; `lengths` holds the length of each row. "
        "The graph adds end marks and, if the model needs it, reverses sources."
        if text
        else "`pixels` holds red, green and blue from -1 to 1 (`value / 127.5 - 1`) of the middle square, 7/8 of the "
        "shorter side, resized to 224 × 224 (bicubic), with transparent pixels white."
    )
    lines = ["# An exported seq2seq model", "", f"Written by seq2seq {manifest['seq2seq']} for ONNX runtimes.", ""]
    if text:
        needs = "It needs numpy, onnxruntime and sentencepiece, but not torch."
        lines += ["```", f"python {_SCRIPT} < sentences", "```", "", needs, ""]
    lines += [
        "1. `encoder.onnx` runs once for a batch. " + reads,
        "2. `decoder_step.onnx` takes `token`, the previous token of each row, at first the begin mark "
        f"({manifest['tokens']['bos']}), and all outputs of the encoder, by name.",
        "3. It returns `log_probs` of the next token and new values of some inputs, named `…_next`; the other inputs "
        "stay the same. Between steps rows can be selected, repeated and reordered, alike in all inputs.",
        f"4. The end mark is {manifest['tokens']['eos']}. seq2seq never generates the tokens "
        f"{', '.join(map(str, manifest['never_written']))}, whatever their probability.",
        "5. `longest_outputs` in `manifest.json` says how many tokens an output has at most: the second number of the "
        "first pair whose first number is not less than the source's tokens; for longer sources, in proportion to the "
        "last pair. A picture counts as one token.",
        "",
        f"On random batches the graphs differed from torch by at most {manifest['largest_difference']:.1g}.",
    ]
    for key in ("encoder", "decoder_step"):
        graph = manifest[key]
        lines += ["", f"## {graph['file']}", "", "| | name | type | shape |", "|---|---|---|---|"]
        for kind in ("inputs", "outputs"):
            for port in graph[kind]:
                shape = " × ".join(map(str, port["shape"]))
                lines.append(f"| {kind[:-1]} | `{port['name']}` | {port['type']} | {shape} |")
    return "\n".join(lines) + "\n"
