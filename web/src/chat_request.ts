// SPDX-License-Identifier: Apache-2.0
// What is sent to POST /v1/chat/completions: documents, earlier turns, the question and how cached
// keys and values may be used.

import type {Docs} from './documents';

export type Reuse = 'none' | 'prefix' | 'segment';
export type Recovery = 'none' | 'boundary' | 'deviation' | 'elastic' | 'knot';
// documents: the request's field of that name; the server puts them where the model's chat template
// has them. message: parts of the first user's message, marked as reusable.
export type Placement = 'documents' | 'message';

export interface Turn {
  readonly question: string;
  readonly answer: string;
}

export interface Asked {
  readonly model: string;
  readonly docs: Docs;
  readonly turns: readonly Turn[];
  readonly question: string;
  readonly reuse: Reuse;
  readonly recovery: Recovery;
  readonly placement: Placement;
  readonly maxTokens: number;
  readonly temperature: number;
}

interface TextPart {
  type: 'text';
  text: string;
  cache_control?: {type: 'ephemeral'};
}

interface Message {
  role: 'user' | 'assistant';
  content: string | TextPart[];
}

export interface ChatRequest {
  model: string;
  messages: Message[];
  documents?: {title: string; text: string}[];
  stream: true;
  stream_options: {include_usage: true};
  max_tokens: number;
  temperature: number;
  redknot: {reuse: Reuse; recovery?: Recovery};
}

// Empty documents are left out: there is nothing to reuse.
function filled(docs: Docs): Docs {
  return docs.filter((doc) => doc.title.trim() !== '' || doc.text.trim() !== '');
}

// The same text wherever the document stands: its keys and values are found by it.
function documentPart(title: string, text: string): TextPart {
  const lines = [title.trim(), text.trim()].filter((line) => line !== '');
  return {type: 'text', text: `${lines.join('\n')}\n\n`, cache_control: {type: 'ephemeral'}};
}

export function chatRequest(asked: Asked): ChatRequest {
  const docs = filled(asked.docs);
  const messages: Message[] = [];
  for (const turn of asked.turns) {
    messages.push({role: 'user', content: turn.question});
    messages.push({role: 'assistant', content: turn.answer});
  }
  messages.push({role: 'user', content: asked.question});
  const first = messages[0];
  if (first && asked.placement === 'message' && docs.length > 0) {
    const question: TextPart = {type: 'text', text: String(first.content)};
    first.content = [...docs.map((doc) => documentPart(doc.title, doc.text)), question];
  }
  const request: ChatRequest = {
    model: asked.model,
    messages,
    stream: true,
    stream_options: {include_usage: true},
    max_tokens: asked.maxTokens,
    temperature: asked.temperature,
    redknot: {reuse: asked.reuse},
  };
  if (asked.placement === 'documents' && docs.length > 0) {
    request.documents = docs.map(({title, text}) => ({title, text}));
  }
  if (asked.reuse === 'segment') request.redknot.recovery = asked.recovery;
  return request;
}
