"""The best of very many values, as beam search needs them.

Shapes: ``L`` lines, ``K`` hypotheses of each, ``V`` vocabulary, ``C`` chunks of it.
"""

import torch
from torch import Tensor

# Values in a chunk; with 32 or 100 the whole takes twice as long.
_CHUNK = 64


def best_tokens(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest of the values (R, V) of each row and their tokens, (R, count) each, best first."""
    free = values.new_zeros(len(values), 1)
    best, _, token = best_extensions(values.unsqueeze(1), free, free.long(), free - torch.inf, count)
    return best, token


def best_extensions(
    values: Tensor, free: Tensor, forced: Tensor, bound: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The highest extensions of each line, best first: their values, hypotheses and tokens, (L, count) each.

    There may be fewer than ``count``, and those of -inf may be any, even the same. Else the same as ``topk``, but several times as fast on a CPU (docs/log.md): the best
    values are in the chunks with the highest maxima, and a maximum is cheaper than a ``topk``.

    Args:
        values: of each token for each hypothesis, (L, K, V).
        free: what is added to the values of each hypothesis, (L, K); -inf where its token is forced.
        forced: that token, (L, K).
        bound: value of the extension by that token, (L, K), or -inf.
        count: how many.
    """
    lines, hypotheses, vocab = values.shape
    whole = vocab // _CHUNK
    maxima = values[..., : whole * _CHUNK].unflatten(2, (whole, _CHUNK)).amax(3)  # (L, K, C)
    if rest := vocab % _CHUNK:
        maxima = torch.cat([maxima, values[..., -rest:].amax(2, keepdim=True)], dim=2)
    chunks = maxima.shape[2]
    chosen = (maxima + free.unsqueeze(2)).flatten(1).topk(min(count, hypotheses * chunks), dim=1).indices
    hypothesis, first = (chosen // chunks).unsqueeze(2), (chosen % chunks * _CHUNK).unsqueeze(2)
    # All values of these chunks, (L, count, _CHUNK), and the forced extensions.
    token = first + torch.arange(_CHUNK, device=values.device)
    inside = token.clamp(max=vocab - 1)
    found = values.flatten(1).gather(1, (hypothesis * vocab + inside).flatten(1)).view(token.shape)
    found = found + free.gather(1, hypothesis.squeeze(2)).unsqueeze(2)
    if rest:
        found = found.masked_fill(token >= vocab, -torch.inf)
    best, place = torch.cat([found.flatten(1), bound], dim=1).topk(min(count, hypotheses * vocab), dim=1)
    parent = torch.cat(
        [hypothesis.expand_as(token).flatten(1), torch.arange(hypotheses, device=values.device).expand(lines, -1)], 1
    )
    return best, parent.gather(1, place), torch.cat([inside.flatten(1), forced], dim=1).gather(1, place)
