"""OpenNMT-py: our sizes with random weights, in fp32.

It gets ids in tensors, not text, and its greedy search is a beam of one. Sources have no end mark.
"""

import argparse
from collections.abc import Sequence

import pyonmttok
import torch
from onmt.model_builder import build_base_model
from onmt.opts import model_opts
from onmt.translate import GNMTGlobalScorer, Translator
from onmt.utils.parse import ArgumentParser
from torch.nn.utils.rnn import pad_sequence

from engines.turns import TOKENS, Job, answer_turns, read_job

_SPECIALS = ["<unk>", "<blank>", "<s>", "</s>"]
_PAD = 1


def _translators(job: Job, *, attention: bool, input_feeding: bool) -> dict[int, Translator]:
    """One for each width of the beam, of the same model."""
    pieces = [f"p{number}" for number in range(len(_SPECIALS), job.pieces)]
    vocabulary = pyonmttok.build_vocab_from_tokens(pieces, special_tokens=_SPECIALS)
    vocabularies = {"src": vocabulary, "tgt": vocabulary, "decoder_start_token": "<s>", "data_task": "seq2seq"}
    settings = ArgumentParser.defaults(model_opts)
    vars(settings).update(
        encoder_type="brnn" if job.bidirectional else "rnn",
        decoder_type="rnn",
        rnn_type="LSTM",
        input_feed=int(input_feeding),
        global_attention="general" if attention else "none",
        layers=job.layers,
        hidden_size=job.hidden,
        word_vec_size=job.embedding,
        # Of training, but the builder asks.
        dropout=[0.0],
        freeze_word_vecs_enc=False,
        freeze_word_vecs_dec=False,
        optim="adam",
    )
    ArgumentParser.update_model_opts(settings)
    torch.manual_seed(1)
    model = build_base_model(settings, vocabularies)
    for weight in model.parameters():
        torch.nn.init.uniform_(weight, -0.1, 0.1)
    model.eval()
    scorer = GNMTGlobalScorer(alpha=0.0, beta=0.0, length_penalty="avg", coverage_penalty="none")
    lengths = {"min_length": TOKENS, "max_length": TOKENS, "max_length_ratio": 0}
    return {beam: Translator(model, vocabularies, beam_size=beam, global_scorer=scorer, **lengths) for beam in (1, 5)}


def main() -> None:
    """Makes the model and answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--alike", action="store_true", help="attention only if our model has it; no input feeding")
    alike = parser.parse_args().alike
    job = read_job()
    torch.set_num_threads(job.threads)
    translators = _translators(job, attention=job.attention or not alike, input_feeding=not alike)

    def translate(batch: Sequence[torch.Tensor], beam: int) -> list[int]:
        src = pad_sequence(list(batch), batch_first=True, padding_value=_PAD).unsqueeze(2)
        lengths = torch.tensor([len(sentence) for sentence in batch])
        found = translators[beam].translate_batch({"src": src, "srclen": lengths}, attn_debug=False)
        return [len(best[0]) for best in found["predictions"]]

    answer_turns([torch.tensor(sentence) for sentence in job.draw(special=len(_SPECIALS))], translate)


if __name__ == "__main__":
    main()
