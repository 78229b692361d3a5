// SPDX-License-Identifier: Apache-2.0
// Asks the server, one question at a time, and remembers the turns that were answered.

import {startAnswer, takeChunk, type Answer} from './answer';
import {chatRequest, type Asked, type Turn} from './chat_request';
import {ServerError, streamChat} from './server';

export interface Listener {
  update(answer: Answer): void;
  finish(answer: Answer, end: string): void;
  fail(message: string): void;
}

export class Conversation {
  private turns: Turn[] = [];
  private running: AbortController | null = null;

  get busy(): boolean {
    return this.running !== null;
  }

  clear(): void {
    this.stop();
    this.turns = [];
  }

  stop(): void {
    this.running?.abort();
  }

  // Requires !busy. A question that failed is forgotten, one that was stopped is not.
  async ask(asked: Omit<Asked, 'turns'>, key: string, listener: Listener): Promise<void> {
    const running = new AbortController();
    const turns = this.turns;
    this.running = running;
    const answer = startAnswer(performance.now());
    let end = '';
    try {
      const request = chatRequest({...asked, turns});
      for await (const data of streamChat(request, key, running.signal)) {
        takeChunk(answer, data, performance.now());
        listener.update(answer);
      }
      if (answer.finish === 'length') end = 'cut at the most tokens allowed';
    } catch (error) {
      if (!running.signal.aborted) {
        listener.fail(explain(error));
        return;
      }
      end = 'stopped';
    } finally {
      this.running = null;
    }
    turns.push({question: asked.question, answer: answer.text});
    listener.finish(answer, end);
  }
}

export function explain(error: unknown): string {
  if (error instanceof ServerError && error.status === 401) {
    return `${error.message} (give an API key at the top of the page)`;
  }
  // What fetch throws when nobody answers.
  if (error instanceof TypeError) return 'The server cannot be reached.';
  return error instanceof Error ? error.message : String(error);
}
