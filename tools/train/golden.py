#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's logits for a prompt, in float32 with the weights as the GGUF file keeps them.

Usage: golden.py --checkpoint RUN/checkpoint.pt --corpus build/release/corpus --tokenizer FOLDER
                 -o FOLDER [--length 512] [--rows 8]

Writes reader_tokens.json (token ids) and reader_logits.npy (of the last --rows positions), which
tests/e2e/test_default_model.py compares with the engine's.
"""

import argparse
import json
import pathlib

import numpy
import torch

from batches import Corpus
from model import load_model
from recipes import ALL


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--checkpoint', required=True, type=pathlib.Path)
    parser.add_argument('--corpus', required=True, help='the corpus binary')
    parser.add_argument('--tokenizer', required=True, help='folder with tokenizer.json')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path)
    parser.add_argument('--length', type=int, default=512, help='tokens of the prompt, at most')
    parser.add_argument('--rows', type=int, default=8, help='positions whose logits are kept')
    options = parser.parse_args()
    model = load_model(options.checkpoint)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.copy_(weight.half().float())
    tokens, _, padding = Corpus(options.corpus, options.tokenizer).sequences(
        1, options.length, ALL, seed=97, split='test')
    tokens = tokens[:, :int((~padding[0]).sum())]
    logits = model.logits(model(tokens))[-options.rows:]
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / 'reader_tokens.json').write_text(json.dumps(tokens[0].tolist()) + '\n')
    numpy.save(options.output / 'reader_logits.npy', logits.numpy())


if __name__ == '__main__':
    main()
