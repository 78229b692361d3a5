// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';

import {readStatus} from './status';

const head = (layer: number, kv_head: number): Record<string, unknown> => ({
  layer,
  kv_head,
  class: 'local',
  dtype: 'q8',
  sink_tokens: 4,
  window_tokens: 64,
  top_pages: 0,
  recovers: true,
  bytes: 10,
  shared_bytes: 3,
});
const status = (): Record<string, unknown> => ({
  model: 'm',
  context_tokens: 4096,
  running: 1,
  waiting: 0,
  layers: 2,
  kv_heads: 2,
  heads: [head(1, 1), head(0, 0), head(1, 0), head(0, 1)],
  pool: [{dtype: 'q8', page_bytes: 9, total_pages: 8, free_pages: 7}],
  segments: 5,
  profile: null,
});

describe('readStatus', () => {
  it('orders heads layer by layer', () => {
    const read = readStatus(status());
    expect(read.heads.map((each) => [each.layer, each.kvHead])).toEqual([[0, 0], [0, 1], [1, 0], [1, 1]]);
    expect(read.heads[0]).toMatchObject({class: 'local', windowTokens: 64, recovers: true, sharedBytes: 3});
    expect(read.pools).toEqual([{dtype: 'q8', pageBytes: 9, totalPages: 8, freePages: 7}]);
    expect(read).toMatchObject({segments: 5, hasProfile: false});
  });

  it('refuses what is not a status', () => {
    const wrong: Record<string, unknown>[] = [
      {heads: undefined},
      {heads: [head(0, 0)]},
      {heads: [head(0, 0), head(0, 0), head(1, 0), head(1, 1)]},
      {heads: [null, head(0, 1), head(1, 0), head(1, 1)]},
      {heads: [{...head(0, 0), class: 'other'}, head(0, 1), head(1, 0), head(1, 1)]},
      {heads: [{...head(0, 0), bytes: -1}, head(0, 1), head(1, 0), head(1, 1)]},
      {model: 7},
      {running: '1'},
      {pool: [{dtype: 'q8'}]},
    ];
    for (const change of wrong) {
      expect(() => readStatus({...status(), ...change}), JSON.stringify(change)).toThrow(/^status: /);
    }
    expect(() => readStatus(null)).toThrow(/^status: /);
  });
});
