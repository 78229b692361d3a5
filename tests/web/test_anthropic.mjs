// SPDX-License-Identifier: Apache-2.0
// The npm package `@anthropic-ai/sdk` against the binary.
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';

import Anthropic from '@anthropic-ai/sdk';

import {expectCancelled, serve, status} from './served.mjs';
import {answer, isWeather, parts, toolsTemplate, weatherSchema} from './town.mjs';

const timeout = 60_000;
const suiteTimeout = 500_000;
const clientOf = (baseURL, apiKey = 'none') =>
  new Anthropic({baseURL, apiKey, authToken: null, maxRetries: 0, timeout: 40_000});

let server;
let client;
let model;
let asked; // what most tests send

before(async () => {
  server = await serve();
  client = clientOf(server.url);
  ({model} = await status(server.url));
  const system = 'Answer from the documents, or say: not stated.';
  asked = {model, system, messages: [{role: 'user', content: parts(0)}], temperature: 0, max_tokens: 40};
}, {timeout});
after(async () => server?.stop(), {timeout});

describe('messages', {timeout: suiteTimeout}, () => {
  test('are answered', {timeout}, async () => {
    const message = await client.messages.create(asked);
    assert.equal(message.type, 'message');
    assert.equal(message.role, 'assistant');
    assert.equal(message.model, model);
    assert.deepEqual(message.content.map((block) => block.type), ['text']);
    assert.match(message.content[0].text, answer);
    assert.equal(message.stop_reason, 'end_turn');
    assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
  });

  test('stream the same text', {timeout}, async () => {
    const whole = await client.messages.create(asked);
    const pieces = [];
    const stream = client.messages.stream(asked);
    stream.on('text', (piece) => pieces.push(piece));
    const streamed = await stream.finalMessage();
    assert.deepEqual(streamed.content, whole.content);
    assert.equal(pieces.join(''), whole.content[0].text);
    assert.equal(streamed.stop_reason, whole.stop_reason);
    assert.equal(streamed.usage.output_tokens, whole.usage.output_tokens);
  });

  test('reuse blocks with cache_control in another order', {timeout}, async () => {
    const ask = async (...order) => {
      const messages = [{role: 'user', content: parts(...order)}];
      const request = {...asked, messages, max_tokens: 8, redknot: {reuse: 'segment'}};
      return (await client.messages.create(request)).usage;
    };
    await ask(0, 1, 2);
    const usage = await ask(1, 2, 0);
    assert.ok(usage.redknot.adopted_tokens > usage.redknot.new_tokens, JSON.stringify(usage));
    assert.ok(usage.cache_read_input_tokens >= 0);
  });

  test('stop where they are told to', {timeout}, async () => {
    const cut = await client.messages.create({...asked, max_tokens: 2});
    assert.equal(cut.stop_reason, 'max_tokens');
    const stopped = await client.messages.create({...asked, stop_sequences: ['clock']});
    assert.equal(stopped.stop_reason, 'stop_sequence');
    assert.equal(stopped.stop_sequence, 'clock');
  });

  test('end when the client leaves', {timeout}, async () => {
    // Without documents the default model does not find an end.
    const messages = [{role: 'user', content: 'Who?'}];
    const request = {model, messages, temperature: 0, max_tokens: 3500};
    await expectCancelled(server.url, 3500, async () => {
      const stream = client.messages.stream(request);
      stream.on('text', () => stream.abort());
      await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
    });
  });
});

describe('tools', {timeout: suiteTimeout}, () => {
  let tooled;
  let toolClient;
  let request;

  before(async () => {
    tooled = await serve('--chat-template-file', toolsTemplate);
    toolClient = clientOf(tooled.url);
    request = {
      model,
      max_tokens: 200,
      temperature: 0,
      messages: [{role: 'user', content: 'How is the weather in Lorvik?'}],
      tools: [{name: 'weather', description: 'The weather of a town', input_schema: weatherSchema}],
      tool_choice: {type: 'tool', name: 'weather'},
    };
  }, {timeout});
  after(async () => tooled?.stop(), {timeout});

  test('are used, and their results are taken', {timeout}, async () => {
    const message = await toolClient.messages.create(request);
    const use = message.content.find((block) => block.type === 'tool_use');
    assert.equal(message.stop_reason, 'tool_use');
    assert.equal(use.name, 'weather');
    assert.ok(isWeather(use.input), JSON.stringify(use.input));
    const result = {type: 'tool_result', tool_use_id: use.id, content: 'It rains in Lorvik.'};
    const messages = [
      ...request.messages,
      {role: 'assistant', content: message.content},
      {role: 'user', content: [result]},
    ];
    const next = await toolClient.messages.create({...request, messages, tool_choice: {type: 'none'}});
    assert.ok(next.content.every((block) => block.type === 'text'));
  });

  test('stream their input', {timeout}, async () => {
    const whole = await toolClient.messages.create(request);
    const streamed = await toolClient.messages.stream(request).finalMessage();
    const inputs = (message) =>
      message.content.filter((block) => block.type === 'tool_use').map((block) => block.input);
    assert.deepEqual(inputs(streamed), inputs(whole));
    assert.equal(inputs(streamed).length, 1);
    assert.equal(streamed.stop_reason, 'tool_use');
  });
});

describe('errors', {timeout: suiteTimeout}, () => {
  test('have the shape of Anthropic, and name the field', {timeout}, async () => {
    for (const [change, field] of [
      [{max_tokens: undefined}, 'max_tokens'],
      [{temperature: 'hot'}, 'temperature'],
      [{messages: [{role: 'user', content: [{type: 'image', source: {}}]}]}, 'messages[0].content[0]'],
    ]) {
      await assert.rejects(client.messages.create({...asked, ...change}), (error) => {
        assert.ok(error instanceof Anthropic.BadRequestError, `${error}`);
        assert.equal(error.error.type, 'error');
        assert.equal(error.error.error.type, 'invalid_request_error');
        assert.ok(error.error.error.message.includes(field), error.message);
        return true;
      });
    }
    await assert.rejects(client.messages.create({...asked, model: 'another'}), Anthropic.NotFoundError);
  });

  test('tell that a key is missing', {timeout: 100_000}, async () => {
    const locked = await serve('--api-key', 'a-key-of-tests');
    const request = {...asked, max_tokens: 1};
    await assert.rejects(clientOf(locked.url, 'wrong').messages.create(request),
      Anthropic.AuthenticationError);
    const message = await clientOf(locked.url, 'a-key-of-tests').messages.create(request);
    assert.equal(message.usage.output_tokens, 1);
    await locked.stop();
  });
});
