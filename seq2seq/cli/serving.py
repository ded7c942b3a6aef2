"""The command serve."""

import argparse
import os
from importlib.util import find_spec
from pathlib import Path

from seq2seq.cli.options import Commands, add_device, positive
from seq2seq.errors import Seq2SeqError


def add_commands(commands: Commands) -> None:
    """Declares the command."""
    serve = commands.add_parser("serve", help="a web page and an API for trained runs; docs/serving.md")
    serve.add_argument("--model", required=True, nargs="+", type=Path, metavar="DIR", help="trained runs to serve")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    serve.add_argument("--port", type=int, default=8000, help="0 takes any that is free (default: 8000)")
    serve.add_argument("--workers", type=positive, default=1, metavar="N", help="processes (default: 1)")
    group = serve.add_argument_group("who may ask")
    key = os.environ.get("SEQ2SEQ_API_KEY", "")
    group.add_argument("--api-key", default=key, metavar="KEY", help="needed to ask (default: $SEQ2SEQ_API_KEY)")
    group.add_argument("--allow-host", nargs="+", default=[], metavar="NAME", help="names of this server")
    group.add_argument("--cors", nargs="+", default=[], metavar="ORIGIN", help="origins whose pages may ask; '*': any")
    group = serve.add_argument_group("limits")
    group.add_argument("--max-body", type=int, default=1_000_000, metavar="N", help="bytes (default: 1000000)")
    group.add_argument("--max-sentences", type=int, default=500, metavar="N", help="of a request (default: 500)")
    group.add_argument("--max-characters", type=int, default=5000, metavar="N", help="of a sentence (default: 5000)")
    group.add_argument("--max-queue", type=int, default=5000, metavar="N", help="sentences that wait (default: 5000)")
    group.add_argument("--timeout", type=float, default=30.0, metavar="S", help="seconds to an answer (default: 30)")
    group = serve.add_argument_group("machine")
    add_device(group)
    group.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16", "int8", "auto"),
        default="auto",
        help="of matrix products (default: auto, int8 on a CPU)",
    )
    group.add_argument("--threads", type=positive, default=0, metavar="N", help="CPU threads of each process")
    serve.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> None:
    if find_spec("uvicorn") is None or find_spec("starlette") is None:
        raise Seq2SeqError("serving needs starlette and uvicorn: pip install 'seq2seq[serve]'")
    from seq2seq.serving.serve import serve
    from seq2seq.serving.settings import ServerSettings

    serve(
        ServerSettings(
            runs=tuple(options.model),
            host=options.host,
            port=options.port,
            workers=options.workers,
            device=options.device,
            precision=options.precision,
            threads=options.threads,
            api_key=options.api_key,
            allowed_hosts=tuple(options.allow_host),
            cors_origins=tuple(options.cors),
            max_body=options.max_body,
            max_sentences=options.max_sentences,
            max_characters=options.max_characters,
            max_queue=options.max_queue,
            timeout=options.timeout,
        )
    )
