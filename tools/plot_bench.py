#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws `redknot bench --json` as an SVG: tokens per second against context, a line a KV format.

    redknot bench -m MODEL -p 512 -n 64 -d 0,2048,8192 --kv f16,q8 --json > bench.jsonl
    tools/plot_bench.py bench.jsonl > bench.svg

Points are medians, bars the slowest and the fastest run.
"""

import json
import math
import sys
from html import escape

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 48, 44
COLOURS = {'f16': '#1f6feb', 'q8': '#d1242f', 'f32': '#6e7781'}
TITLES = {'prefill': 'Prefill of {} tokens', 'decode': 'Decode'}


def nice_step(largest):
    """A step of 1, 2 or 5 times a power of ten that cuts 0..largest into at most five parts."""
    power = 10 ** math.floor(math.log10(largest / 5))
    return next(m * power for m in (1, 2, 5, 10) if m * power * 5 >= largest)


def text(x, y, words, anchor='middle', size=11, colour='#57606a'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}">{escape(words)}</text>')


class Panel:
    """One test: an origin, and the scales of depth and speed."""

    def __init__(self, rows, origin):
        self.rows = rows
        self.origin = origin
        self.deepest = max(row['depth'] for row in rows) or 1
        self.step = nice_step(max(row['max'] for row in rows))
        self.top = math.ceil(max(row['max'] for row in rows) / self.step) * self.step

    def x(self, depth):
        return self.origin + LEFT + depth / self.deepest * (WIDTH - LEFT - RIGHT)

    def y(self, speed):
        return HEIGHT - BOTTOM - speed / self.top * (HEIGHT - TOP - BOTTOM)

    def axes(self):
        title = TITLES[self.rows[0]['test']].format(self.rows[0]['tokens'])
        yield text(self.x(0), 22, f'{title}, tokens per second', 'start', 13, '#24292f')
        for i in range(round(self.top / self.step) + 1):
            y = self.y(i * self.step)
            yield (f'<line x1="{self.x(0):.1f}" x2="{self.x(self.deepest):.1f}" y1="{y:.1f}" '
                   f'y2="{y:.1f}" stroke="#d0d7de" stroke-width="1"/>')
            yield text(self.x(0) - 6, y + 4, f'{i * self.step:g}', 'end')
        for depth in sorted({row['depth'] for row in self.rows}):
            yield text(self.x(depth), HEIGHT - BOTTOM + 16, f'{depth:,}')
        middle = (self.x(0) + self.x(self.deepest)) / 2
        yield text(middle, HEIGHT - 10, 'tokens in the KV cache before')

    def line(self, kv, index):
        rows = sorted((row for row in self.rows if row['kv'] == kv), key=lambda row: row['depth'])
        colour = COLOURS[kv]
        points = ' '.join(f'{self.x(r["depth"]):.1f},{self.y(r["tokens_per_second"]):.1f}'
                          for r in rows)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for row in rows:
            x = self.x(row['depth'])
            yield (f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.y(row["min"]):.1f}" '
                   f'y2="{self.y(row["max"]):.1f}" stroke="{colour}" stroke-width="1"/>')
            y = self.y(row['tokens_per_second'])
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
        yield text(self.origin + WIDTH - RIGHT, TOP + 14 * index, f'{kv} KV', 'end', 12, colour)


def draw(rows):
    tests = [test for test in ('prefill', 'decode') if any(r['test'] == test for r in rows)]
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(tests)}" '
           f'height="{HEIGHT}" font-family="sans-serif">')
    yield '<rect width="100%" height="100%" fill="white"/>'
    for place, test in enumerate(tests):
        panel = Panel([row for row in rows if row['test'] == test], place * WIDTH)
        yield from panel.axes()
        formats = sorted({row['kv'] for row in panel.rows})
        for index, kv in enumerate(formats):
            yield from panel.line(kv, index)
    yield '</svg>'


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding='utf-8') as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    if not rows:
        print(f'plot {sys.argv[1]}: no measurements in it', file=sys.stderr)
        return 1
    print('\n'.join(draw(rows)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
