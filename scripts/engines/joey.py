"""JoeyNMT: our sizes with random weights, in fp32.

It has attention and input feeding always, and its encoder is bidirectional, each direction half as wide as the decoder.
It gets ids in tensors, not text.
"""

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from joeynmt.batch import Batch
from joeynmt.model import Model, build_model
from joeynmt.search import search
from joeynmt.vocabulary import Vocabulary
from torch.nn.utils.rnn import pad_sequence

from engines.turns import TOKENS, Job, answer_turns, read_job

_UNK, _PAD, _BEGIN, _END = range(4)


def _build(job: Job) -> Model:
    special = {"unk": _UNK, "pad": _PAD, "bos": _BEGIN, "eos": _END}
    names = {f"{name}_token": f"<{name}>" for name in special} | {f"{name}_id": id_ for name, id_ in special.items()}
    pieces = [f"p{number}" for number in range(len(special), job.pieces)]
    vocabulary = Vocabulary(pieces, SimpleNamespace(**names, sep_token=None, lang_tags=[]))
    shared = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "num_layers": job.layers,
        "embeddings": {"embedding_dim": job.embedding},
    }
    settings = {
        "initializer": "xavier_uniform",
        "encoder": {**shared, "hidden_size": job.hidden // 2, "bidirectional": True},
        "decoder": {**shared, "hidden_size": job.hidden, "attention": "luong", "input_feeding": True},
    }
    torch.manual_seed(1)
    return build_model(settings, vocabulary, vocabulary).eval()


def main() -> None:
    """Makes the model and answers."""
    job = read_job()
    torch.set_num_threads(job.threads)
    model, cpu = _build(job), torch.device("cpu")

    def translate(batch: Sequence[torch.Tensor], beam: int) -> list[int]:
        # It wants the longest first.
        ordered = sorted(batch, key=len, reverse=True)
        lengths = torch.tensor([len(sentence) for sentence in ordered])
        src = pad_sequence(ordered, batch_first=True, padding_value=_PAD)
        given = Batch(src, lengths, None, None, None, torch.arange(len(batch)), cpu, _PAD, _END, is_train=False)
        found = search(model, given, TOKENS, beam, beam_alpha=1.0, min_output_length=TOKENS)
        return [len(output) for output in found[0]]

    sentences = [torch.tensor([*sentence, _END]) for sentence in job.draw(special=4)]
    answer_turns(sentences, translate)


if __name__ == "__main__":
    main()
