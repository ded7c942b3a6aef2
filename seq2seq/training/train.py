"""Training from a recipe to an evaluated run folder; a repeated call continues where the last one stopped."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from seq2seq.config import Config
from seq2seq.config.automatic import adopted
from seq2seq.device import tune_process
from seq2seq.errors import ConfigError, RunError
from seq2seq.evaluation.evaluate import evaluate
from seq2seq.evaluation.record import is_evaluated, read_evaluation, summary
from seq2seq.files.lock import locked
from seq2seq.metrics.tokenisers import require_tokeniser
from seq2seq.recipe import load_recipe
from seq2seq.reports.run_page import write_report
from seq2seq.runs.layout import CARD, CONFIG, read_config
from seq2seq.training.checkpoint import checkpoint_folders
from seq2seq.training.distributed import World
from seq2seq.training.fine_tuning import inherited, prepare_for, require_start
from seq2seq.training.log import Log, summary_writer
from seq2seq.training.placement import choose_devices
from seq2seq.training.session import TrainingSession, say
from seq2seq.training.signals import stopping_at_once

# Settings that may change when a training continues: they decide when it stops, what it logs and keeps, and where.
_EXTENDABLE = {"max_updates", "max_epochs", "max_minutes", "patience", "log_every", "keep_checkpoints", "device_map"}
# And what the evaluation computes, and where the corpus is now, whose fingerprint is checked.
_EXTENDABLE |= {"metrics", "path", "directory", "start_from"}


def train(
    recipe: str | Path,
    *,
    run: str | Path | None = None,
    start: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    tensorboard: bool = False,
) -> Path:
    """Trains a recipe into a run folder and evaluates it; continues where an earlier call stopped.

    Args:
        recipe: name of a shipped recipe or path of a TOML file.
        run: the folder; ``runs/<recipe>`` if None.
        start: a run to begin with: its vocabulary and weights, and its settings where the recipe leaves them out.
        overrides: ``table.key=value`` each.
        device: ``auto``, ``cpu``, ``cuda``.
        tensorboard: also write curves for TensorBoard.

    Returns:
        The run folder.

    Raises:
        Seq2SeqError: settings, data or the run folder cannot be used.
        Interrupted: SIGINT, SIGTERM or SIGUSR1 came; the same call continues from there.
    """
    folder = Path(run) if run is not None else Path("runs") / Path(recipe).stem
    if tensorboard:
        summary_writer()  # fails now rather than after an hour of preparation
    with ExitStack() as stack:
        with World.join(device) as world:
            # First, so that wrong settings or devices leave no folder behind.
            settings = partial(_settings, recipe, overrides, folder, start)
            world.from_rank0(lambda: choose_devices(settings().training, world, device))
            world.from_rank0(lambda: stack.enter_context(locked(folder)))
            # Again under the lock: another training may have begun there with other settings.
            config = world.from_rank0(settings)
            device_spec = choose_devices(config.training, world, device)
            require_tokeniser(config.evaluation.tokenize)
            tune_process(device_spec)
            prepared = world.rank0_first(lambda: prepare_for(config, folder))
            log = Log(folder, tensorboard=tensorboard)
            TrainingSession(folder, config, prepared, device_spec, world, log).run()
        # The pages come after the scores: a kill between them leaves scores alone.
        if world.is_main and prepared.test and not (is_evaluated(folder) and (folder / CARD).is_file()):
            with stopping_at_once():
                write_report(evaluate(folder, device=world.device))
    if world.is_main and is_evaluated(folder):
        say(summary(read_evaluation(folder)))
    return folder


def _settings(recipe: str | Path, overrides: Sequence[str], folder: Path, start: str | Path | None) -> Config:
    """The recipe's settings, which must be those of the run in ``folder``, if any, except for ``_EXTENDABLE``."""
    config = load_recipe(recipe, overrides, inherited(Path(start)) if start else None)
    if not (folder / CONFIG).is_file():
        if checkpoint_folders(folder):
            raise RunError(
                f"{folder} holds checkpoints but no {CONFIG} that says what of: "
                "bring it back, choose another folder with --run, or remove this one"
            )
        if config.training.start_from:
            require_start(config)
        return config
    begun = read_config(folder)
    config = adopted(config, begun)
    old, new = asdict(begun), asdict(config)
    start = begun.training.start_from
    if bool(start) != bool(config.training.start_from):
        raise ConfigError(
            f"{folder} was begun {f'with --from {start}' if start else 'without --from'}: do so again, "
            "choose another folder with --run, or remove this one"
        )
    differing = [
        f"{table}.{key} ({old[table][key]} there, {new[table][key]} now)"
        for table in ("data", "subword", "model", "training", "evaluation")
        for key in new[table]
        if old[table][key] != new[table][key] and key not in _EXTENDABLE
    ]
    if differing:
        raise ConfigError(
            f"{folder} was begun with other settings: {', '.join(differing)}; "
            "choose another folder with --run, or remove this one"
        )
    return config
