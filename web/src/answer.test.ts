// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';

import {startAnswer, takeChunk, tokensPerSecond, ttftMs} from './answer';

const delta = (content: string): string => JSON.stringify({choices: [{index: 0, delta: {content}}]});
const usage = (redknot: object): string =>
  JSON.stringify({choices: [], usage: {prompt_tokens: 100, completion_tokens: 5, redknot}});

describe('an answer', () => {
  it('joins its pieces and measures from when it was sent', () => {
    const answer = startAnswer(1000);
    takeChunk(answer, '{"choices":[{"delta":{"role":"assistant","content":""}}]}', 1100);
    expect(ttftMs(answer)).toBeNull();
    takeChunk(answer, delta('A '), 1250);
    takeChunk(answer, delta('knot'), 1750);
    takeChunk(answer, delta('.'), 2250);
    takeChunk(answer, '{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}', 2300);
    takeChunk(answer, '{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}', 2300);
    expect(answer.text).toBe('A knot.');
    expect(answer.finish).toBe('stop');
    expect(ttftMs(answer)).toBe(250);
    expect(tokensPerSecond(answer)).toBe(4);
    expect(answer.usage).toEqual({promptTokens: 7, completionTokens: 5, kinds: null, built: 0});
  });

  it('has no rate before there is usage, nor for one token', () => {
    const answer = startAnswer(0);
    takeChunk(answer, delta('x'), 10);
    expect(tokensPerSecond(answer)).toBeNull();
    takeChunk(answer, '{"usage":{"prompt_tokens":7,"completion_tokens":1}}', 20);
    expect(tokensPerSecond(answer)).toBeNull();
  });

  it('gives every token one kind, whether adopted counts the recovered ones or not', () => {
    const kinds = {exact: 10, adopted: 50, recovered: 20, new: 20};
    for (const adopted_tokens of [70, 50]) {
      const answer = startAnswer(0);
      const raw = {exact_tokens: 10, adopted_tokens, recovered_tokens: 20, new_tokens: 20, built_tokens: 9};
      takeChunk(answer, usage(raw), 1);
      expect(answer.usage?.built).toBe(9);
      expect(answer.usage?.kinds).toEqual(kinds);
    }
  });

  it('reports an error that arrives inside the stream', () => {
    const answer = startAnswer(0);
    expect(() => takeChunk(answer, '{"error":{"message":"out of pages"}}', 1)).toThrow('out of pages');
    expect(() => takeChunk(answer, '{"choices":', 1)).toThrow();
  });
});
