"""Settings of the server; the command line names each."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seq2seq.config.ranges import Range, range_faults
from seq2seq.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """What is served, to whom, and within which limits.

    Raises:
        ConfigError: a value that cannot be used.
    """

    runs: tuple[Path, ...]
    """One model each; where several have the same languages, the first answers unless a request names another."""
    host: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 8000
    """0: any that is free."""
    workers: Annotated[int, Range(1, 1024)] = 1
    """Processes, each with its own copy of the models."""
    device: str = "auto"
    precision: str = "auto"
    """As for decoding; ``auto`` is int8 on a CPU."""
    threads: Annotated[int, Range(0, 1024)] = 0
    """CPU threads of a process; 0: torch's number, shared out."""
    api_key: str = ""
    """Requests must show it; empty: none is needed."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the server is reached, besides ``localhost`` and IP addresses."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may use the API, such as ``https://example.org``; ``*``: any."""
    max_body: Annotated[int, Range(1, 1 << 30)] = 1_000_000
    """Bytes of a request's body."""
    max_sentences: Annotated[int, Range(1, 1_000_000)] = 500
    """Sentences of a request."""
    max_characters: Annotated[int, Range(1, 10_000_000)] = 5000
    """Characters of a sentence."""
    max_queue: Annotated[int, Range(1, 1_000_000)] = 5000
    """Sentences that wait in a process."""
    timeout: Annotated[float, Range(0.01, 86_400)] = 30.0
    """Seconds to an answer; also to a request's headers, and to its body."""

    def __post_init__(self) -> None:
        faults = list(range_faults("serve", self))
        if not self.api_key.isascii() or not self.api_key.isprintable():
            faults.append("the API key must be printable ASCII, which HTTP headers can hold")
        if faults:
            raise ConfigError("; ".join(faults))

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
