#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers right on unseen names and templates, by kind, with the answer's own tokens as input.

Usage: evaluate.py --checkpoint RUN/checkpoint.pt --corpus build/release/corpus --tokenizer FOLDER
                   [--length 512] [-n 100] [--isolated]

--isolated hides all other documents from a document's tokens: what a model loses when the keys and
values of documents are computed apart and reused as they are. `redknot eval` is the full measure.
"""

import argparse
import pathlib

import torch

from batches import Corpus, exact_answers
from model import load_model
from recipes import ALL

KINDS = [entry.split('=')[0] for entry in ALL.split(',')]


def isolating_mask(tokens, document, user):
    """tokens [B, T] -> [B, T, T]: documents see the prefix and themselves, questions everything."""
    asking = torch.cumsum(tokens == user, 1) > 0
    segment = torch.cumsum(tokens == document, 1)
    visible = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).tril()
    same = (segment[:, :, None] == segment[:, None, :]) | (segment == 0)[:, None, :]
    return visible & (same | asking[:, :, None])


@torch.no_grad()
def answers_right(model, tokens, answer, marks=None):
    """How many answers there are, and how many have every token right; marks: isolate documents."""
    count, right_count = 0, 0
    for row, flags in zip(tokens, answer):
        row, flags = row[None], flags[None]
        mask = isolating_mask(row[:, :-1], *marks) if marks else None
        best = model.logits(model(row[:, :-1], mask)).argmax(-1)[None]
        found = exact_answers(best == row[:, 1:], flags[:, 1:])
        count, right_count = count + found[0], right_count + found[1]
    return count, right_count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--checkpoint', required=True, type=pathlib.Path)
    parser.add_argument('--corpus', required=True, help='the corpus binary')
    parser.add_argument('--tokenizer', required=True, help='folder with tokenizer.json')
    parser.add_argument('--length', type=int, default=512, help='tokens of a sequence')
    parser.add_argument('--kinds', default=','.join(KINDS))
    parser.add_argument('--split', default='test')
    parser.add_argument('-n', type=int, default=100, help='sequences of each kind')
    parser.add_argument('--isolated', action='store_true', help='documents do not see each other')
    parser.add_argument('--threads', type=int, default=0, help='0: as PyTorch chooses')
    options = parser.parse_args()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    model = load_model(options.checkpoint)
    corpus = Corpus(options.corpus, options.tokenizer)
    marks = None
    if options.isolated:
        marks = (model.shape.document_mark, model.shape.user_mark)
    for kind in options.kinds.split(','):
        tokens, answer, _ = corpus.sequences(options.n, options.length, f'{kind}=1', seed=99,
                                             split=options.split, turns=1)
        count, right = answers_right(model, tokens, answer, marks)
        print(f'{kind:14} {right / count:6.3f}  of {count}', flush=True)


if __name__ == '__main__':
    main()
