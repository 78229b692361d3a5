#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws files of `redknot bench serve --json` as an SVG.

    tools/plot_serve.py --ttft none=a.json --ttft segment=b.json \\
        --throughput dense=n1.json,n8.json --throughput profile=p1.json,p8.json > serving.svg

--throughput: answers' tokens per second against the requests that were sent at once, a line each;
files with the same number of requests are runs of one point, whose median is drawn. --ttft: which
share of the requests had its first token within a time, a line a file.
"""

import argparse
import json
import math
import statistics
import sys

from plot_bench import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, nice_step, text

COLOURS = ('#6e7781', '#1f6feb', '#d1242f', '#2da44e')
GRID = '#d0d7de'


def read(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def named_files(argument):
    name, _, files = argument.partition('=')
    if not files:
        raise argparse.ArgumentTypeError(f'"{argument}" is not NAME=FILE')
    return name, [read(path) for path in files.split(',')]


class Panel:
    """Axes at an origin. Scales map 0..1 of the plane; x grows to the right, y upwards."""

    def __init__(self, origin, title, x_name):
        self.origin, self.title, self.x_name = origin, title, x_name

    def at(self, x, y):
        return (self.origin + LEFT + x * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM))

    def axes(self, x_ticks, y_ticks):
        """Ticks: pairs of a place in 0..1 and words."""
        left, right = self.at(0, 0)[0], self.at(1, 0)[0]
        yield text(left, 22, self.title, 'start', 13, '#24292f')
        for place, words in y_ticks:
            y = self.at(0, place)[1]
            yield (f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
                   f'stroke="{GRID}" stroke-width="1"/>')
            yield text(left - 6, y + 4, words, 'end')
        for place, words in x_ticks:
            yield text(self.at(place, 0)[0], HEIGHT - BOTTOM + 16, words)
        yield text((left + right) / 2, HEIGHT - 10, self.x_name)

    def line(self, points, index, dots=False):
        places = [self.at(x, y) for x, y in points]
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in places)
        colour = COLOURS[index % len(COLOURS)]
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y in places if dots else []:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'

    def legend(self, names):
        x = self.origin + LEFT
        for index, name in enumerate(names):
            yield text(x, TOP - 9, name, 'start', 12, COLOURS[index % len(COLOURS)])
            x += 8 * len(name) + 12


def draw_ttft(origin, lines):
    panel = Panel(origin, 'Requests with their first token within', 'seconds')
    times = {name: sorted(one['ttft_ms'] for run in runs for one in run['answers']
                          if 'ttft_ms' in one) for name, runs in lines}
    low = math.floor(math.log10(min(all_[0] for all_ in times.values())))
    high = math.ceil(math.log10(max(all_[-1] for all_ in times.values())))
    ticks = [((power - low) / (high - low), f'{10 ** power / 1000:g}')
             for power in range(low, high + 1)]
    yield from panel.axes(ticks, [(i / 4, f'{25 * i} %') for i in range(5)])
    for index, found in enumerate(times.values()):
        points = [((math.log10(time) - low) / (high - low), (i + 1) / len(found))
                  for i, time in enumerate(found)]
        yield from panel.line(points, index)
    yield from panel.legend(times)


def draw_throughput(origin, lines):
    panel = Panel(origin, "Answers' tokens per second", 'requests at once')
    speeds = {}
    for name, runs in lines:
        by_count = {}
        for run in runs:
            by_count.setdefault(run['requests'], []).append(run['output_tokens_per_s'])
        speeds[name] = [(count, statistics.median(all_))
                        for count, all_ in sorted(by_count.items())]
    counts = sorted({count for points in speeds.values() for count, _ in points})
    widest = math.log2(counts[-1]) or 1
    step = nice_step(max(speed for points in speeds.values() for _, speed in points))
    top = math.ceil(max(speed for points in speeds.values() for _, speed in points) / step)
    yield from panel.axes([(math.log2(count) / widest, str(count)) for count in counts],
                          [(i / top, f'{i * step:g}') for i in range(top + 1)])
    for index, points in enumerate(speeds.values()):
        places = [(math.log2(count) / widest, speed / (top * step)) for count, speed in points]
        yield from panel.line(places, index, dots=True)
    yield from panel.legend(speeds)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--throughput', action='append', type=named_files, metavar='NAME=FILES')
    parser.add_argument('--ttft', action='append', type=named_files, metavar='NAME=FILE')
    options = parser.parse_args()
    panels = [(draw, lines) for draw, lines in ((draw_throughput, options.throughput),
                                                (draw_ttft, options.ttft)) if lines]
    if not panels:
        parser.error('nothing to draw: give --throughput or --ttft')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(panels)}" '
          f'height="{HEIGHT}" font-family="sans-serif">')
    print('<rect width="100%" height="100%" fill="white"/>')
    for place, (draw, lines) in enumerate(panels):
        print('\n'.join(draw(place * WIDTH, lines)))
    print('</svg>')
    return 0


if __name__ == '__main__':
    sys.exit(main())
