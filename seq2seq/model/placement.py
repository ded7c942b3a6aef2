"""Where the parts of a model lie while it is trained."""

from seq2seq.model.compute import Compute
from seq2seq.model.image_encoder import ImageEncoder
from seq2seq.model.seq2seq import Seq2Seq


def place(model: Seq2Seq, compute: Compute) -> None:
    """Moves a model to its device, or its layers to theirs.

    Layer n of the encoder and layer n of the decoder share a device, as in Sutskever et al. 2014, §3.5, so that the
    state goes from one to the other where it is. What comes before the layers lies with the first (embeddings, bridge,
    attention), what comes after them with the last (readout, output layer).
    """
    if not compute.layers or isinstance(model.encoder, ImageEncoder):
        model.to(compute.device)
        return
    encoder, decoder = model.encoder, model.decoder
    stacks = {encoder.stack: compute.layers, decoder.bottom: compute.layers[:1], decoder.upper: compute.layers[1:]}
    for stack, devices in stacks.items():
        stack.spread(devices)
    after = decoder.readout, decoder.output
    for part in {*encoder.children(), *decoder.children()} - stacks.keys():
        part.to(compute.layers[-1] if part in after else compute.device)
