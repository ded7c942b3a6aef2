"""What ``batch_tokens = "auto"`` means on a device: estimates, so that a GPU is neither idle nor out of memory."""

from seq2seq.config.decoding import DecodingConfig
from seq2seq.config.model import ModelConfig
from seq2seq.config.training import TrainingConfig

# On a CPU, which is busy with a few rows.
_CPU_TRAINING, _CPU_DECODING = 1200, 4000
# Most on a GPU. Training: on an H200 512 sentences of 25 tokens came to five sixths of the tokens a second of 2,048;
# a larger batch makes fewer updates of an epoch. Decoding: some 600 sentences of 20 tokens with a beam of 5.
_GPU_TRAINING, _GPU_DECODING = 16_384, 65_536


def training_batch_tokens(training: TrainingConfig, model: ModelConfig, gpu_memory: int) -> int:
    """Most target tokens in a batch.

    What the backward pass needs takes up to a quarter of a GPU's memory: for each token and unit of a layer about
    eight numbers (four gates, state, output, input, mask) of four bytes. The loss makes logits for a part of the batch
    at a time, so the vocabulary does not matter.

    Args:
        training: the recipe's table.
        model: likewise.
        gpu_memory: bytes; 0: a CPU.
    """
    if training.batch_tokens != "auto":
        return training.batch_tokens
    if not gpu_memory:
        return _CPU_TRAINING
    units = sum(model.encoder_widths()) + sum(model.decoder_widths())
    return max(_CPU_TRAINING, min(_GPU_TRAINING, gpu_memory // 4 // (32 * units)))


def decoding_batch_tokens(decoding: DecodingConfig, vocabulary: int, gpu_memory: int) -> int:
    """Most source tokens times beam in a batch.

    Log-probabilities of all pieces, for every hypothesis about four numbers of four bytes while the best are chosen,
    take up to a quarter of a GPU's memory; sentences are taken to have four tokens or more.

    Args:
        decoding: the run's table.
        vocabulary: pieces of the target.
        gpu_memory: bytes; 0: a CPU.
    """
    if decoding.batch_tokens != "auto":
        return decoding.batch_tokens
    if not gpu_memory:
        return _CPU_DECODING
    return max(_CPU_DECODING, min(_GPU_DECODING, gpu_memory // 4 // (4 * vocabulary)))
