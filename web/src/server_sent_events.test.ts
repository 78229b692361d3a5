// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';

import {EventReader, readEvents} from './server_sent_events';

const stream = 'data: {"a":1}\n\n: a comment\ndata: two\ndata:lines\nid: 7\n\r\ndata: [DONE]\r\n\r\n';
const events = ['{"a":1}', 'two\nlines', '[DONE]'];

describe('EventReader', () => {
  it('finds the same events however the text is cut', () => {
    for (let size = 1; size <= stream.length; ++size) {
      const reader = new EventReader();
      const found: string[] = [];
      for (let at = 0; at < stream.length; at += size) {
        found.push(...reader.add(stream.slice(at, at + size)));
      }
      expect(found, `pieces of ${size}`).toEqual(events);
    }
  });

  it('gives no event before its empty line, and none without data', () => {
    const reader = new EventReader();
    expect(reader.add('\n\nid: 1\n\ndata: x\n')).toEqual([]);
    expect(reader.add('\n')).toEqual(['x']);
  });

  it('keeps a field without a colon, and one leading space only', () => {
    expect(new EventReader().add('data\n\ndata:  x\n\n')).toEqual(['', ' x']);
  });
});

describe('readEvents', () => {
  it('joins characters that are cut between reads', async () => {
    const bytes = new TextEncoder().encode('data: knot – é😀\n\n');
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const found: string[] = [];
    for await (const event of readEvents(body)) found.push(event);
    expect(found).toEqual(['knot – é😀']);
  });
});
