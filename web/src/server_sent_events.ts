// SPDX-License-Identifier: Apache-2.0
// The data of server-sent events, from text that arrives in pieces cut anywhere.

export class EventReader {
  private rest = '';
  private data: string[] = [];

  // Data of the events that `piece` completes.
  add(piece: string): string[] {
    const events: string[] = [];
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const text = this.rest + piece;
    const end = text.endsWith('\r') ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? '') + text.slice(end);
    for (const line of lines) {
      if (line !== '') {
        this.takeLine(line);
      } else if (this.data.length > 0) {
        events.push(this.data.join('\n'));
        this.data = [];
      }
    }
    return events;
  }

  private takeLine(line: string): void {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
  }
}

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      yield* events.add(decoder.decode(value, {stream: true}));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
