#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far each KV head looks: attention mass by distance, as JSON for draw.py.

Usage: attention.py --checkpoint RUN/checkpoint.pt --corpus build/release/corpus --tokenizer FOLDER
                    [--length 2048] [-n 20] > attention.json

Mass is averaged over the query heads of a KV head, and over queries: all tokens, and the tokens
that answers are read from. The first four tokens (the sink) count apart.
"""

import argparse
import json
import pathlib

import torch

from batches import Corpus
from model import attend, load_model
from recipes import ALL

SINK = 4
BLOCK = 256


def bin_names(length):
    """sink, 0, 1, 2-3, 4-7, ...: a sink, then distances in octaves"""
    names, low = ['sink', '0'], 1
    while low < length:
        names.append(str(low) if low == 1 else f'{low}-{2 * low - 1}')
        low *= 2
    return names


def mass_by_distance(q, k, queries, bins):
    """q [Hq, T, D], k [Hkv, T, D]: sums [Hkv, bins] over the queries [T] bool."""
    heads, tokens, _ = k.shape
    sums = torch.zeros(heads, bins)
    for first in range(0, tokens, BLOCK):
        last = min(first + BLOCK, tokens)
        rows = torch.arange(first, last)[queries[first:last]]
        if len(rows) == 0:
            continue
        group = q.shape[0] // heads
        scores = q.view(heads, group, tokens, -1)[:, :, rows] @ k[:, None, :last].transpose(2, 3)
        distance = rows[:, None] - torch.arange(last)
        scores = scores.masked_fill(distance < 0, float('-inf'))
        octave = torch.log2(distance.clamp(min=1).float()).floor().long() + 2
        place = torch.where(distance <= 0, torch.ones_like(octave), octave)
        place[:, :SINK] = 0
        mass = scores.softmax(-1).mean(1)
        sums.index_add_(1, place.reshape(-1), mass.reshape(heads, -1))
    return sums


@torch.no_grad()
def measure(model, tokens, answer):
    """{"all": [layers][KV heads][bins], "answers": ...}: shares that add up to 1 over the bins"""
    bins = len(bin_names(tokens.shape[1]))
    shape = model.shape
    sums = {name: torch.zeros(shape.layers, shape.kv_heads, bins) for name in ('all', 'answers')}
    for row, flags in zip(tokens, answer):
        asked = torch.roll(flags, -1)
        everywhere = torch.ones_like(asked)
        x = model.embedding[row]
        table = model.rope_table(torch.arange(len(row))[None])
        for index, layer in enumerate(model.layers):
            q, k, v = model.heads(layer, x, table, 1)
            sums['all'][index] += mass_by_distance(q[0], k[0], everywhere, bins)
            sums['answers'][index] += mass_by_distance(q[0], k[0], asked, bins)
            x = model.after_attention(layer, x, attend(q, k, v, None))
    return {name: (s / s.sum(-1, keepdim=True)).tolist() for name, s in sums.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--checkpoint', required=True, type=pathlib.Path)
    parser.add_argument('--corpus', required=True, help='the corpus binary')
    parser.add_argument('--tokenizer', required=True, help='folder with tokenizer.json')
    parser.add_argument('--length', type=int, default=2048, help='tokens of a sequence')
    parser.add_argument('-n', type=int, default=20, help='sequences')
    options = parser.parse_args()
    model = load_model(options.checkpoint)
    tokens, answer, _ = Corpus(options.corpus, options.tokenizer).sequences(
        options.n, options.length, ALL, seed=98, split='test')
    print(json.dumps({'sequence_tokens': options.length, 'sequences': options.n,
                      'bins': bin_names(options.length), **measure(model, tokens, answer)}))


if __name__ == '__main__':
    main()
