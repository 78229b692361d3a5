#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a byte-level BPE tokenizer on the corpus and writes it as tokenizer.json.

Usage: tokenizer.py --corpus build/release/corpus -o FOLDER [--vocabulary 2048] [--samples 6000]

Words are split as in Qwen2: each digit alone, letters with the one character before them. A token
that is hardly ever left over when a text is tokenized would be hardly ever trained: such tokens are
barred, and the merges are learned again without them.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess

SPECIAL = ['<s>', '<|end|>', '<|system|>', '<|document|>', '<|user|>', '<|assistant|>']
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# The same for the corpus, whose text is ASCII.
ASCII_SPLIT = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+")
MIX = ('one_hop=4,two_hop=1,comparison=1,counting=1,alias=1,continuation=1,quote=1,not_stated=1,'
       'passkey=0.2')

FEWEST_USES = 20  # in the text that the merges are learned from


def byte_alphabet():
    """The printable character that stands for each byte in GPT-2's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def corpus_words(corpus, samples):
    """Pre-tokens of the training split, and how often each occurs."""
    command = [corpus, '--split', 'train', '--seed', '7', '-n', str(samples), '--turns', '4',
               '--document-tokens', '300', '--mix', MIX]
    words = collections.Counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            sample = json.loads(line)
            turns = [turn[part] for turn in sample['turns'] for part in ('question', 'answer')]
            for text in [sample['system'], *sample['documents'], *turns]:
                words.update(ASCII_SPLIT.findall(' ' + text))
    if process.returncode != 0:
        raise SystemExit(f'tokenizer.py: {corpus} failed')
    return words


class Merger:
    """Byte-pair encoding: again and again the most frequent pair becomes one token."""

    def __init__(self, words, alphabet, barred):
        self.barred = barred
        self.words = [([alphabet[b] for b in word.encode()], count)
                      for word, count in sorted(words.items())]
        self.counts = collections.Counter()
        self.where = collections.defaultdict(set)
        for index in range(len(self.words)):
            self.count(index, 1)

    def count(self, index, sign):
        tokens, count = self.words[index]
        for pair in zip(tokens, tokens[1:]):
            self.counts[pair] += sign * count
            self.where[pair].add(index)

    def merge(self):
        allowed = (p for p in self.counts if p[0] + p[1] not in self.barred)
        pair = max(allowed, key=lambda p: (self.counts[p], p))
        for index in sorted(self.where.pop(pair)):
            self.count(index, -1)
            tokens, count = self.words[index]
            self.words[index] = (self.joined(tokens, pair), count)
            self.count(index, 1)
        del self.counts[pair]
        return pair

    def uses(self):
        """How often each token is left over."""
        found = collections.Counter()
        for tokens, count in self.words:
            for token in tokens:
                found[token] += count
        return found

    @staticmethod
    def joined(tokens, pair):
        out, i = [], 0
        while i < len(tokens):
            found = tuple(tokens[i:i + 2]) == pair
            out.append(''.join(pair) if found else tokens[i])
            i += 2 if found else 1
        return out


def learn(words, size):
    """The tokens and the merges of a vocabulary of that size, in which every token is used."""
    alphabet = byte_alphabet()
    barred = set()
    while True:
        merger = Merger(words, alphabet, barred)
        vocabulary, merges = list(alphabet.values()), []
        while len(vocabulary) < size:
            merges.append(merger.merge())
            token = ''.join(merges[-1])
            if token not in vocabulary:  # or two pairs make the same
                vocabulary.append(token)
        uses = merger.uses()
        rare = {token for token in vocabulary[256:] if uses[token] < FEWEST_USES}
        if not rare:
            return vocabulary, merges
        barred |= rare


def write_tokenizer(path, vocabulary, merges):
    first = len(vocabulary)
    added = [{'id': first + i, 'content': text, 'single_word': False, 'lstrip': False,
              'rstrip': False, 'normalized': False, 'special': True}
             for i, text in enumerate(SPECIAL)]
    bos = {'SpecialToken': {'id': SPECIAL[0], 'type_id': 0}}
    text = {'Sequence': {'id': 'A', 'type_id': 0}}
    path.write_text(json.dumps({
        'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': added,
        'normalizer': None,
        'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [
            {'type': 'Split', 'pattern': {'Regex': SPLIT}, 'behavior': 'Isolated', 'invert': False},
            {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': False,
             'use_regex': False}]},
        'post_processor': {'type': 'TemplateProcessing', 'single': [bos, text],
                           'pair': [bos, text, {'Sequence': {'id': 'B', 'type_id': 1}}],
                           'special_tokens': {SPECIAL[0]: {'id': SPECIAL[0], 'ids': [first],
                                                           'tokens': [SPECIAL[0]]}}},
        'decoder': {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': False,
                    'use_regex': False},
        'model': {'type': 'BPE', 'dropout': None, 'unk_token': None,
                  'continuing_subword_prefix': None, 'end_of_word_suffix': None,
                  'fuse_unk': False, 'byte_fallback': False, 'ignore_merges': False,
                  'vocab': {token: i for i, token in enumerate(vocabulary)},
                  'merges': [' '.join(pair) for pair in merges]},
    }, ensure_ascii=False, indent=0) + '\n', encoding='utf-8')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--corpus', required=True, help='the corpus binary')
    parser.add_argument('-o', '--output', required=True, type=pathlib.Path,
                        help='folder for tokenizer.json')
    parser.add_argument('--vocabulary', type=int, default=2048, help='tokens, the special ones too')
    parser.add_argument('--samples', type=int, default=6000, help='samples to learn from')
    options = parser.parse_args()
    words = corpus_words(options.corpus, options.samples)
    vocabulary, merges = learn(words, options.vocabulary - len(SPECIAL))
    options.output.mkdir(parents=True, exist_ok=True)
    write_tokenizer(options.output / 'tokenizer.json', vocabulary, merges)
    print(f'{options.output}/tokenizer.json: {len(vocabulary) + len(SPECIAL)} tokens')


if __name__ == '__main__':
    main()
