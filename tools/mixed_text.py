#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text of several kinds for `redknot profile --text`: an encyclopedia, paragraphs that belong to
questions, and source code, in pieces of one kind each, in turn.

    tools/mixed_text.py --wikitext valid.txt --hotpot hotpot.json --code *.py > mix.txt
"""

import argparse
import itertools
import json
import pathlib
import sys

PIECE = 16000  # characters: about 4,096 tokens
SKIPPED = 100000  # characters of the encyclopedia, left for other measurements


def encyclopedia(path):
    text = path.read_text(encoding='utf-8')
    for mark in '-,.':
        text = text.replace(f' @{mark}@ ', mark)
    return text[SKIPPED:]


def paragraphs(path):
    """Of HotpotQA, each once."""
    found = {}
    for question in json.loads(path.read_text(encoding='utf-8')):
        context = question['context']
        if isinstance(context, dict):
            context = zip(context['title'], context['sentences'])
        for title, sentences in context:
            found.setdefault(title + '\n' + ''.join(sentences) + '\n\n')
    return ''.join(found)


def code(files):
    return '\n\n'.join(f'# {path.name}\n' + path.read_text(encoding='utf-8') for path in files)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--wikitext', type=pathlib.Path, required=True)
    parser.add_argument('--hotpot', type=pathlib.Path, required=True)
    parser.add_argument('--code', type=pathlib.Path, nargs='+', required=True)
    options = parser.parse_args()
    texts = (encyclopedia(options.wikitext), paragraphs(options.hotpot), code(options.code))
    pieces = ([text[at:at + PIECE] for at in range(0, len(text), PIECE)] for text in texts)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*pieces, fillvalue=''))
    sys.stdout.write('\n\n'.join(piece for piece in in_turn if piece))


if __name__ == '__main__':
    main()
