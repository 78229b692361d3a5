#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A head map for measuring sizes and speeds, on standard output.

Usage: head_map.py --layers 64 --kv-heads 8 [--global 0.15] [--window 256] [--sink 4]

A share of the heads is global, spread evenly over the layers; the others keep their first tokens
and a window. It says nothing about quality. "redknot profile --import" makes a profile of it.
"""

import argparse
import json


def head_map(layers, kv_heads, share, window, sink):
    """Classes, windows and sinks by layer and KV head."""
    heads = layers * kv_heads
    wanted = round(heads * share)
    is_global = [(i + 1) * wanted // heads > i * wanted // heads for i in range(heads)]
    rows = [is_global[layer * kv_heads:(layer + 1) * kv_heads] for layer in range(layers)]
    return {
        'num_layers': layers,
        'num_kv_heads': kv_heads,
        'kv_head_classification': [['global' if far else 'local' for far in row] for row in rows],
        'kv_head_max_distance': [[-1 if far else window for far in row] for row in rows],
        'kv_head_sink_size': [[0 if far else sink for far in row] for row in rows],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--layers', type=int, required=True)
    parser.add_argument('--kv-heads', type=int, required=True)
    parser.add_argument('--global', type=float, default=0.15, dest='share')
    parser.add_argument('--window', type=int, default=256)
    parser.add_argument('--sink', type=int, default=4)
    given = parser.parse_args()
    print(json.dumps(head_map(given.layers, given.kv_heads, given.share, given.window,
                              given.sink)))


if __name__ == '__main__':
    main()
