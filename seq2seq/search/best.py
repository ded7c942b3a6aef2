"""The best of very many values, as beam search needs them.

Shapes: ``L`` lines, ``K`` hypotheses of each, ``V`` vocabulary, ``C`` chunks of it.
"""

import torch
from torch import Tensor

# Values in a chunk; with 32 or 100 the whole takes twice as long.
_CHUNK = 64
# Of so many values a plain topk takes less time than the search for the chunks.
_FEW = 1 << 15


def best_tokens(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest of the values (R, V) of each row and their tokens, (R, count) each, best first."""
    best, _, token = best_extensions(values.unsqueeze(1), values.new_zeros(len(values), 1), count)
    return best, token


def best_extensions(
    values: Tensor, base: Tensor, count: int, forced: Tensor | None = None, bound: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The highest extensions of each line, best first: their values, hypotheses and tokens, (L, count) each.

    There may be fewer than ``count``, and those of -inf may be any, even the same. Many values are not searched by
    ``topk`` alone, which would take several times as long on a CPU (docs/log.md): the best ones are in the chunks with
    the highest maxima, and a maximum is cheaper than a ``topk``.

    Args:
        values: of each token for each hypothesis, (L, K, V).
        base: what is added to the values of each hypothesis, (L, K); -inf where its token is forced.
        count: how many.
        forced: that token, (L, K); None: none is.
        bound: the whole value of the extension by that token, (L, K), or -inf.
    """
    lines, hypotheses, vocab = values.shape
    if values.numel() <= _FEW:
        sums = values + base.unsqueeze(2)
        if forced is not None and bound is not None:
            sums.scatter_reduce_(2, forced.unsqueeze(2), bound.unsqueeze(2), "amax")
        best, place = sums.flatten(1).topk(min(count, hypotheses * vocab), dim=1)
        return best, place // vocab, place % vocab
    whole = vocab // _CHUNK
    maxima = values[..., : whole * _CHUNK].unflatten(2, (whole, _CHUNK)).amax(3)  # (L, K, C)
    if rest := vocab % _CHUNK:
        maxima = torch.cat([maxima, values[..., -rest:].amax(2, keepdim=True)], dim=2)
    chunks = maxima.shape[2]
    chosen = (maxima + base.unsqueeze(2)).flatten(1).topk(min(count, hypotheses * chunks), dim=1).indices
    parent, first = chosen // chunks, (chosen % chunks * _CHUNK).unsqueeze(2)
    # All values of these chunks, (L, count, _CHUNK).
    token = first + torch.arange(_CHUNK, device=values.device)
    inside = token.clamp(max=vocab - 1) if rest else token
    found = values.flatten(1).gather(1, (parent.unsqueeze(2) * vocab + inside).flatten(1)).view(token.shape)
    found = found + base.gather(1, parent).unsqueeze(2)
    if rest:
        found = found.masked_fill(token >= vocab, -torch.inf)
    found, parent, token = found.flatten(1), parent.repeat_interleave(_CHUNK, dim=1), inside.flatten(1)
    if forced is not None and bound is not None:
        owner = torch.arange(hypotheses, device=values.device).expand(lines, -1)
        found, parent = torch.cat([found, bound], dim=1), torch.cat([parent, owner], dim=1)
        token = torch.cat([token, forced], dim=1)
    best, place = found.topk(min(count, hypotheses * vocab), dim=1)
    return best, parent.gather(1, place), token.gather(1, place)
