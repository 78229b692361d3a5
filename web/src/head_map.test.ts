// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';

import {describeHead, markSide, sharedPart, step, sumByClass} from './head_map';
import {formatBytes, formatCount, formatMs, plural} from './numbers';
import type {Head} from './status';

const head: Head = {
  layer: 2,
  kvHead: 1,
  class: 'retrieval',
  dtype: 'q8',
  sinkTokens: 64,
  windowTokens: 512,
  topPages: 4,
  recovers: true,
  bytes: 2048,
  sharedBytes: 512,
};

describe('the map of heads', () => {
  it('makes areas proportional to bytes, and shows the smallest', () => {
    expect(markSide(100, 100)).toBe(1);
    expect(markSide(25, 100)).toBe(0.5);
    expect(markSide(1, 1e9)).toBe(0.25);
    expect(markSide(0, 100)).toBeLessThan(markSide(1, 100));
    expect(markSide(0, 0)).toBe(markSide(0, 100));
    expect(markSide(200, 100)).toBe(1);
  });

  it('says how much is shared, never more than all', () => {
    expect(sharedPart(head)).toBe(0.25);
    expect(sharedPart({...head, bytes: 0, sharedBytes: 0})).toBe(0);
    expect(sharedPart({...head, bytes: 1})).toBe(1);
  });

  it('tells a head in a sentence', () => {
    expect(describeHead(head)).toBe(
      'Layer 2, KV head 1: retrieval, sees the first 64 and last 512 tokens, and 4 pages of its ' +
        'choice; keeps 2.0 KiB as q8, 512 B of it shared; recovered in reused documents',
    );
    expect(describeHead({...head, class: 'global', recovers: false, sharedBytes: 0})).toBe(
      'Layer 2, KV head 1: global, sees everything; keeps 2.0 KiB as q8',
    );
    expect(describeHead({...head, class: 'local', windowTokens: 1})).toContain('last 1 token;');
  });

  it('sums by class, absent classes too', () => {
    expect(sumByClass([head, head, {...head, class: 'global', bytes: 7}])).toEqual([
      {class: 'global', heads: 1, bytes: 7},
      {class: 'local', heads: 0, bytes: 0},
      {class: 'retrieval', heads: 2, bytes: 4096},
    ]);
  });

  it('moves by keys and stays inside', () => {
    expect(step('ArrowRight', 0, 0, 6, 4)).toEqual({column: 1, row: 0});
    expect(step('ArrowRight', 5, 0, 6, 4)).toEqual({column: 5, row: 0});
    expect(step('ArrowLeft', 0, 2, 6, 4)).toEqual({column: 0, row: 2});
    expect(step('ArrowUp', 0, 0, 6, 4)).toEqual({column: 0, row: 0});
    expect(step('ArrowDown', 3, 3, 6, 4)).toEqual({column: 3, row: 3});
    expect(step('End', 3, 1, 6, 4)).toEqual({column: 5, row: 1});
    expect(step('Home', 3, 1, 6, 4)).toEqual({column: 0, row: 1});
    expect(step('a', 3, 1, 6, 4)).toBeNull();
  });
});

describe('numbers', () => {
  it('have units', () => {
    expect([0, 1023, 1024, 1536, 200 * 1024, 5 * 1024 ** 3].map(formatBytes)).toEqual([
      '0 B', '1023 B', '1.0 KiB', '1.5 KiB', '200 KiB', '5.0 GiB',
    ]);
    expect([0.4, 999, 1000, 12345].map(formatMs)).toEqual(['0 ms', '999 ms', '1.00 s', '12.35 s']);
    expect(formatCount(1234567)).toBe('1,234,567');
    expect([plural(1, 'head'), plural(0, 'head')]).toEqual(['1 head', '0 heads']);
  });
});
