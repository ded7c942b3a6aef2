"""The loop of every search. Between steps the host asks what is live, and what is not leaves the batch.

Shapes: ``N`` sentences, ``L`` lines, ``K`` slots of each.
"""

import torch

from seq2seq.search.hypothesis import Hypothesis
from seq2seq.search.pending import Pending
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.slots import Slots
from seq2seq.search.step import Method, advance


def narrow(slots: Slots[S], lines: int) -> Slots[S] | None:
    """Without the sentences that are done and the slots that no line fills; None if nothing is live. The host waits.

    Args:
        slots: after any step.
        lines: of each sentence.
    """
    live, device = (slots.total > -torch.inf).sum(1).tolist(), slots.line.device
    sentences = [number for number in range(len(live) // lines) if any(live[number * lines : (number + 1) * lines])]
    if not sentences:
        return None
    width = max(live)
    if width < slots.total.shape[1] or len(sentences) * lines < len(live):
        kept = [sentence * lines + number for sentence in sentences for number in range(lines)]
        slots = slots.keep(torch.tensor(sentences, device=device), torch.tensor(kept, device=device), width)
    return slots.packed() if sum(live) < slots.total.numel() and slots.state.is_loose else slots


def _period(device: torch.device) -> int:
    """Steps between two questions: a GPU is to work meanwhile, though in vain after the end."""
    return 1 if device.type == "cpu" else 8


def decode(problem: SearchProblem[S], method: Method, slots: Slots[S]) -> list[list[Hypothesis]]:
    """Complete hypotheses of each line, in the order in which they were completed.

    On a GPU steps are recorded, if the problem brings recordings along, once there are as many slots as there will be.

    Args:
        problem: N sentences.
        method: how to choose.
        slots: before the first step.
    """
    choices, going = Pending(len(slots.line)), slots if len(slots.line) else None
    free_steps, step = problem.rules.free_steps(), 0
    recordings = None if method.on_host or problem.rules.look_back else problem.recordings
    while going is not None:
        before = going
        going, choice = advance(problem, method, before, free=step in free_steps)
        choices.append(choice, before.line)
        step += 1
        if recordings is None:
            going = narrow(going, method.lines) if step % _period(before.line.device) == 0 else going
        elif going.total.shape == before.total.shape:
            recordings.finish(problem, method, going, choices)
            break
    return choices.history().complete(problem.rules.eos, problem.ranking)
