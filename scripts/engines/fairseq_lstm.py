"""fairseq's ``lstm``: our sizes with random weights, in fp32; attention only if our model has it.

It feeds the decoder's last output back into it always. It gets ids in tensors, not text.
"""

from argparse import Namespace
from collections.abc import Sequence

import torch
from fairseq.data import Dictionary
from fairseq.data.data_utils import collate_tokens
from fairseq.models.lstm import LSTMModel
from fairseq.sequence_generator import SequenceGenerator

from engines.turns import TOKENS, Job, answer_turns, read_job


def _build(job: Job, dictionary: Dictionary) -> LSTMModel:
    settings = Namespace(
        dropout=0.0,
        encoder_embed_dim=job.embedding,
        decoder_embed_dim=job.embedding,
        encoder_hidden_size=job.hidden // 2 if job.bidirectional else job.hidden,
        encoder_bidirectional=job.bidirectional,
        decoder_hidden_size=job.hidden,
        decoder_out_embed_dim=job.hidden,
        encoder_layers=job.layers,
        decoder_layers=job.layers,
        decoder_attention=str(job.attention),
        criterion="cross_entropy",
    )
    torch.manual_seed(1)
    return LSTMModel.build_model(settings, Namespace(source_dictionary=dictionary, target_dictionary=dictionary)).eval()


def main() -> None:
    """Makes the model and answers."""
    job = read_job()
    torch.set_num_threads(job.threads)
    dictionary = Dictionary()
    special = len(dictionary)
    for number in range(special, job.pieces):
        dictionary.add_symbol(f"p{number}")
    model = _build(job, dictionary)
    lengths = {"max_len_a": 0, "max_len_b": TOKENS, "min_len": TOKENS}
    generators = {beam: SequenceGenerator([model], dictionary, beam_size=beam, **lengths) for beam in (1, 5)}

    def translate(batch: Sequence[torch.Tensor], beam: int) -> list[int]:
        # It wants the longest first.
        ordered = sorted(batch, key=len, reverse=True)
        src = collate_tokens(ordered, dictionary.pad(), left_pad=True)
        given = {"src_tokens": src, "src_lengths": torch.tensor([len(sentence) for sentence in ordered])}
        found = generators[beam].generate([model], {"net_input": given})
        # The end mark is among the tokens.
        return [len(best[0]["tokens"]) - 1 for best in found]

    answer_turns([torch.tensor([*sentence, dictionary.eos()]) for sentence in job.draw(special)], translate)


if __name__ == "__main__":
    main()
