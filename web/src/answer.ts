// SPDX-License-Identifier: Apache-2.0
// An answer as it arrives: its text, when its pieces came, and what the server says it cost.

export interface TokenKinds {
  exact: number; // at hand as dense attention computes them
  adopted: number; // taken from reused documents as they are
  recovered: number; // from reused documents, then computed again in their place
  new: number; // computed for this request
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
  kinds: TokenKinds | null;
  built: number; // tokens of documents that were computed for this answer, and are at hand now
}

export interface Answer {
  text: string;
  sentAt: number; // milliseconds, as the next two
  firstAt: number | null;
  lastAt: number | null;
  usage: Usage | null;
  finish: string | null;
}

export function startAnswer(now: number): Answer {
  return {text: '', sentAt: now, firstAt: null, lastAt: null, usage: null, finish: null};
}

// `json` is the data of one event of a chat completion. Throws what the server reports as an error.
export function takeChunk(answer: Answer, json: string, now: number): void {
  const chunk = JSON.parse(json) as Chunk;
  if (chunk.error) throw new Error(chunk.error.message ?? 'the server ended the answer');
  const choice = chunk.choices?.[0];
  const piece = choice?.delta?.content ?? '';
  if (piece !== '') {
    answer.text += piece;
    answer.firstAt ??= now;
    answer.lastAt = now;
  }
  if (choice?.finish_reason) answer.finish = choice.finish_reason;
  if (chunk.usage) answer.usage = readUsage(chunk.usage);
}

interface Chunk {
  error?: {message?: string};
  choices?: {delta?: {content?: string | null}; finish_reason?: string | null}[];
  usage?: RawUsage | null;
}

interface RawUsage {
  prompt_tokens: number;
  completion_tokens: number;
  redknot?: {
    exact_tokens: number;
    adopted_tokens: number;
    recovered_tokens: number;
    new_tokens: number;
    built_tokens?: number;
  };
}

function readUsage(raw: RawUsage): Usage {
  const usage: Usage = {
    promptTokens: raw.prompt_tokens,
    completionTokens: raw.completion_tokens,
    kinds: null,
    built: raw.redknot?.built_tokens ?? 0,
  };
  if (raw.redknot) {
    const {exact_tokens, adopted_tokens, recovered_tokens, new_tokens} = raw.redknot;
    // The recovered ones are counted among the adopted ones, too: here every token has one kind.
    const inside = exact_tokens + adopted_tokens + new_tokens === raw.prompt_tokens;
    usage.kinds = {
      exact: exact_tokens,
      adopted: inside ? Math.max(adopted_tokens - recovered_tokens, 0) : adopted_tokens,
      recovered: recovered_tokens,
      new: new_tokens,
    };
  }
  return usage;
}

// Time to the first token, in milliseconds.
export function ttftMs(answer: Answer): number | null {
  return answer.firstAt === null ? null : answer.firstAt - answer.sentAt;
}

// Of the tokens behind the first.
export function tokensPerSecond(answer: Answer): number | null {
  if (answer.firstAt === null || answer.lastAt === null || !answer.usage) return null;
  const seconds = (answer.lastAt - answer.firstAt) / 1000;
  const tokens = answer.usage.completionTokens - 1;
  return seconds > 0 && tokens > 0 ? tokens / seconds : null;
}
