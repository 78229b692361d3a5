// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';

import type {Answer, TokenKinds} from './answer';
import {Pace} from './pace';

function answer(ttft: number, kinds: Partial<TokenKinds>, built = 0): Answer {
  const all = {exact: 0, adopted: 0, recovered: 0, new: 0, ...kinds};
  const promptTokens = all.exact + all.adopted + all.recovered + all.new;
  const usage = {promptTokens, completionTokens: 3, kinds: all, built};
  return {text: 'x', sentAt: 0, firstAt: ttft, lastAt: ttft, usage, finish: 'stop'};
}

describe('the pace of prompts', () => {
  it('says nothing before a prompt was computed', () => {
    expect(new Pace().sooner(answer(10, {adopted: 500, new: 20}))).toBeNull();
  });

  it('holds an answer against what computing its prompt would take', () => {
    const pace = new Pace();
    pace.observe(answer(1000, {new: 500}));
    const found = pace.sooner(answer(100, {adopted: 380, recovered: 100, new: 20}));
    expect(found).toEqual({adopted: 380, wholeMs: 1000, times: 10});
  });

  it('counts documents that were built for an answer as computed', () => {
    const pace = new Pace();
    const first = answer(900, {adopted: 430, new: 20}, 430);
    expect(pace.sooner(first)).toBeNull();
    pace.observe(first);
    expect(pace.sooner(answer(90, {adopted: 430, new: 20}))?.times).toBeCloseTo(10);
  });

  it('goes by the longest prompt, and by none that was mostly at hand', () => {
    const pace = new Pace();
    pace.observe(answer(1000, {new: 500}));
    pace.observe(answer(900, {new: 100}));
    pace.observe(answer(50, {exact: 9000, new: 600}));
    expect(pace.sooner(answer(100, {exact: 480, new: 20}))?.wholeMs).toBeCloseTo(1000);
  });

  it('claims nothing where nothing was gained', () => {
    const pace = new Pace();
    pace.observe(answer(1000, {new: 500}));
    expect(pace.sooner(answer(1000, {exact: 480, new: 20}))).toBeNull();
    expect(pace.sooner(answer(10, {exact: 10, new: 20}))).toBeNull();
  });
});
