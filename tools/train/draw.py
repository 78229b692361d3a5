#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a training run, as SVG on standard output.

Usage: draw.py curve RUN/log.jsonl > curve.svg
       draw.py heads attention.json > heads.svg
"""

import json
import sys
from html import escape

FONT = 'font-family="sans-serif"'


def text(x, y, words, anchor='middle', size=11, colour='#57606a'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}">{escape(str(words))}</text>')


def page(width, height, parts):
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>'
    yield '<rect width="100%" height="100%" fill="white"/>'
    yield from parts
    yield '</svg>'


def curve(rows, width=760, height=320, left=48, top=40, bottom=44):
    """Answer loss and answers right against tokens; a line where sequences grow."""
    most = rows[-1]['million_tokens']
    loss_top = 3.0
    x = lambda row: left + row['million_tokens'] / most * (width - 2 * left)
    y = lambda share: height - bottom - share * (height - top - bottom)
    for part in range(6):
        at = y(part / 5)
        yield (f'<line x1="{left}" x2="{width - left}" y1="{at:.1f}" y2="{at:.1f}" '
               'stroke="#d0d7de"/>')
        yield text(left - 6, at + 4, f'{part * 20} %', 'end', colour='#1f6feb')
        yield text(width - left + 6, at + 4, f'{loss_top * part / 5:.1f}', 'start',
                   colour='#d1242f')
    length = None
    for row in rows:
        if row['sequence_tokens'] != length:
            length = row['sequence_tokens']
            yield (f'<line x1="{x(row):.1f}" x2="{x(row):.1f}" y1="{top}" y2="{height - bottom}" '
                   'stroke="#8c959f" stroke-dasharray="3 3"/>')
            yield text(x(row) + 3, top + 10, length, 'start')
    for key, colour, most_shown in (('answers_right', '#1f6feb', 1),
                                    ('answer_loss', '#d1242f', loss_top)):
        points = ' '.join(f'{x(r):.1f},{y(min(r[key] / most_shown, 1)):.1f}' for r in rows)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    yield text(left, 20, 'answers right in training', 'start', 13, '#1f6feb')
    yield text(width - left, 20, 'answer loss, nats a token', 'end', 13, '#d1242f')
    yield text(width / 2, height - 8, f'million tokens, of {most:.0f}; dashed: sequences grow to '
               'so many tokens')


def heat_map(title, masses, bins, origin, cell=24, top=64):
    """Rows: heads; columns: distances."""
    yield text(origin, 24, title, 'start', 13, '#24292f')
    for column, name in enumerate(bins):
        yield (f'<text transform="translate({origin + (column + 0.6) * cell:.1f},{top - 4}) '
               f'rotate(-45)" font-size="9" fill="#57606a">{escape(name.split("-")[0])}</text>')
    row = 0
    for layer, heads in enumerate(masses):
        for head, shares in enumerate(heads):
            y = top + row * 15 + layer * 4
            yield text(origin - 6, y + 11, f'{layer}.{head}', 'end', 10)
            for column, share in enumerate(shares):
                yield (f'<rect x="{origin + column * cell}" y="{y}" width="{cell - 1}" height="14" '
                       f'fill="#0550ae" fill-opacity="{min(1, share ** 0.5):.2f}" '
                       f'stroke="#eaeef2"><title>{share:.4f}</title></rect>')
            row += 1


def heads(found):
    """Two heat maps beside each other: of all queries, and of those that read answers."""
    bins = found['bins']
    wide = 24 * len(bins) + 60
    rows = sum(len(layer) for layer in found['all'])
    height = 64 + rows * 15 + len(found['all']) * 4 + 34
    parts = [*heat_map('All tokens', found['all'], bins, 48),
             *heat_map('Tokens that answers are read from', found['answers'], bins, 48 + wide),
             text(wide, height - 10, 'layer.head against distance in tokens, from; darker: more '
                  f'attention mass (square root); sequences of {found["sequence_tokens"]} tokens')]
    return 2 * wide + 40, height, parts


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ('curve', 'heads'):
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[2], encoding='utf-8') as file:
        if sys.argv[1] == 'curve':
            picture = page(760, 320, curve([json.loads(line) for line in file]))
        else:
            picture = page(*heads(json.load(file)))
    print('\n'.join(picture))
    return 0


if __name__ == '__main__':
    sys.exit(main())
