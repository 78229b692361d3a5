// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';

import {chatRequest, type Asked} from './chat_request';
import {addDocument, moveDocument, type Docs} from './documents';

const docs = addDocument(addDocument([], 'One', 'first'), ' ', 'second\n');
const asked: Asked = {
  model: 'm',
  docs,
  turns: [],
  question: 'Why?',
  reuse: 'segment',
  recovery: 'knot',
  placement: 'message',
  maxTokens: 9,
  temperature: 0,
};
const ephemeral = {type: 'ephemeral'};
const parts = (list: Docs): unknown => chatRequest({...asked, docs: list}).messages[0]?.content;

describe('chatRequest', () => {
  it('puts documents as reusable parts in front of the question', () => {
    expect(chatRequest(asked)).toEqual({
      model: 'm',
      messages: [
        {
          role: 'user',
          content: [
            {type: 'text', text: 'One\nfirst\n\n', cache_control: ephemeral},
            {type: 'text', text: 'second\n\n', cache_control: ephemeral},
            {type: 'text', text: 'Why?'},
          ],
        },
      ],
      stream: true,
      stream_options: {include_usage: true},
      max_tokens: 9,
      temperature: 0,
      redknot: {reuse: 'segment', recovery: 'knot'},
    });
  });

  it('follows the order of the documents without changing their text', () => {
    const [one, two, question] = parts(docs) as unknown[];
    expect(parts(moveDocument(docs, 1, 1))).toEqual([two, one, question]);
  });

  it('sends plain text when there is no document, or only empty ones', () => {
    expect(parts([])).toBe('Why?');
    expect(parts(addDocument([], ' ', '\n'))).toBe('Why?');
  });

  it('keeps documents in the first message when the conversation goes on', () => {
    const {messages} = chatRequest({...asked, turns: [{question: 'Who?', answer: 'She.'}]});
    expect(messages.map((message) => message.role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[0]?.content).toHaveLength(3);
    expect(messages[0]?.content[2]).toEqual({type: 'text', text: 'Who?'});
    expect(messages[1]?.content).toBe('She.');
    expect(messages[2]?.content).toBe('Why?');
  });

  it('gives documents to the template when asked to', () => {
    const request = chatRequest({...asked, placement: 'documents'});
    expect(request.messages).toEqual([{role: 'user', content: 'Why?'}]);
    expect(request.documents).toEqual([
      {title: 'One', text: 'first'},
      {title: ' ', text: 'second\n'},
    ]);
    expect(chatRequest({...asked, docs: [], placement: 'documents'})).not.toHaveProperty('documents');
  });

  it('names a recovery only where segments are reused', () => {
    expect(chatRequest({...asked, reuse: 'prefix'}).redknot).toEqual({reuse: 'prefix'});
    expect(chatRequest({...asked, reuse: 'none'}).redknot).toEqual({reuse: 'none'});
  });
});
