"""The best of very many values, as beam search needs them.

A plain ``topk`` of a vocabulary would take several times as long on a CPU (docs/log.md): the best values are in the
chunks with the highest maxima, and a maximum is cheaper than a ``topk``. Of what is -inf any may be found, even the
same twice.

Shapes: ``R`` rows, ``L`` lines, ``K`` hypotheses of each, ``V`` vocabulary, ``C`` chunks of it.
"""

import torch
from torch import Tensor

# Values in a chunk; with 32 or 100 the whole takes twice as long.
_CHUNK = 64
# Of so many values a plain topk takes less time.
_FEW = 1 << 16


def best_extensions(
    values: Tensor, row: Tensor, base: Tensor, count: int, forced: Tensor | None = None, bound: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The highest extensions of each line, best first: their values, hypotheses and tokens, (L, count) each, or fewer.

    Args:
        values: of the tokens in each row, (R, V).
        row: of each hypothesis, (L, K).
        base: what is added to the values of each hypothesis, (L, K); -inf where its token is forced.
        count: how many.
        forced: that token, (L, K); None: none is.
        bound: the whole value of the extension by that token, (L, K), or -inf.
    """
    if row.shape[1] == 1:
        best, token = (found.index_select(0, row.flatten()) for found in best_tokens(values, count))
        best, parent = best + base, torch.zeros_like(token)
    else:
        best, parent, token = _best_of_several(values, row, base, count)
    if forced is None or bound is None:
        return best, parent, token
    best, place = torch.cat([best, bound], dim=1).topk(best.shape[1], dim=1)
    owner = torch.arange(row.shape[1], device=row.device).expand(len(row), -1)
    parent, token = torch.cat([parent, owner], dim=1), torch.cat([token, forced], dim=1)
    return best, parent.gather(1, place), token.gather(1, place)


def best_tokens(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest of the values (R, V) of each row and their tokens, (R, count) each, best first, or fewer."""
    vocab = values.shape[1]
    if values.numel() <= _FEW:
        return values.topk(min(count, vocab), dim=1)
    maxima = _chunk_maxima(values)
    chunk = maxima.topk(min(count, maxima.shape[1]), dim=1).indices
    token, beyond = _tokens(chunk, vocab)
    found = values.gather(1, token.flatten(1)).masked_fill(beyond.flatten(1), -torch.inf)
    best, place = found.topk(min(count, vocab), dim=1)
    return best, token.flatten(1).gather(1, place)


def _best_of_several(values: Tensor, row: Tensor, base: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`best_extensions`, without forced tokens."""
    (lines, hypotheses), vocab = row.shape, values.shape[1]
    if values.numel() <= _FEW:
        sums = values.index_select(0, row.flatten()).view(lines, hypotheses, vocab) + base.unsqueeze(2)
        best, place = sums.flatten(1).topk(min(count, hypotheses * vocab), dim=1)
        return best, place // vocab, place % vocab
    # The chunks of all hypotheses of a line compete.
    maxima = _chunk_maxima(values)
    chunks = maxima.shape[1]
    maxima = maxima.index_select(0, row.flatten()).view(lines, hypotheses, chunks) + base.unsqueeze(2)
    chunk = maxima.flatten(1).topk(min(count, hypotheses * chunks), dim=1).indices
    parent = chunk // chunks
    token, beyond = _tokens(chunk % chunks, vocab)
    found = values.flatten().take(row.gather(1, parent).unsqueeze(2) * vocab + token)
    found = (found + base.gather(1, parent).unsqueeze(2)).masked_fill(beyond, -torch.inf)
    best, place = found.flatten(1).topk(min(count, hypotheses * vocab), dim=1)
    return best, parent.gather(1, place // _CHUNK), token.flatten(1).gather(1, place)


def _chunk_maxima(values: Tensor) -> Tensor:
    """The maximum of each chunk of the values (R, V), (R, C); the last chunk may be shorter."""
    whole, rest = divmod(values.shape[1], _CHUNK)
    maxima = values[:, : whole * _CHUNK].unflatten(1, (whole, _CHUNK)).amax(2)
    return torch.cat([maxima, values[:, -rest:].amax(1, keepdim=True)], dim=1) if rest else maxima


def _tokens(chunk: Tensor, vocab: int) -> tuple[Tensor, Tensor]:
    """The tokens of chunks (L, N), and which of them are beyond the vocabulary, (L, N, _CHUNK) each."""
    token = (chunk * _CHUNK).unsqueeze(2) + torch.arange(_CHUNK, device=chunk.device)
    return token.clamp(max=vocab - 1), token >= vocab
