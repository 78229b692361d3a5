// SPDX-License-Identifier: Apache-2.0
// The npm package `openai` against the binary.
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';

import OpenAI from 'openai';

import {expectCancelled, serve, status} from './served.mjs';
import {answer, documents, isWeather, parts, question, toolsTemplate, weatherSchema} from './town.mjs';

const timeout = 60_000;
const suiteTimeout = 500_000;
const clientOf = (url, apiKey = 'none') =>
  new OpenAI({baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 40_000});

let server;
let client;
let model;
let asked; // what most tests send

before(async () => {
  server = await serve();
  client = clientOf(server.url);
  ({model} = await status(server.url));
  const messages = [{role: 'user', content: question}];
  asked = {model, messages, documents, temperature: 0, max_tokens: 40};
}, {timeout});
after(async () => server?.stop(), {timeout});

async function joined(stream) {
  let text = '';
  let finish = null;
  let usage = null;
  for await (const chunk of stream) {
    assert.equal(chunk.object, 'chat.completion.chunk');
    const [choice] = chunk.choices;
    text += choice?.delta.content ?? '';
    finish = choice?.finish_reason ?? finish;
    if (chunk.usage) {
      assert.deepEqual(chunk.choices, []);
      usage = chunk.usage;
    }
  }
  return {text, finish, usage};
}

describe('models', {timeout: suiteTimeout}, () => {
  test('are listed, and found by their name', async () => {
    const {data} = await client.models.list();
    assert.deepEqual(data.map((each) => each.id), [model]);
    assert.equal((await client.models.retrieve(model)).object, 'model');
    await assert.rejects(client.models.retrieve('another'), OpenAI.NotFoundError);
  });
});

describe('chat', {timeout: suiteTimeout}, () => {
  test('answers from documents', {timeout}, async () => {
    const completion = await client.chat.completions.create(asked);
    const [choice] = completion.choices;
    assert.equal(completion.object, 'chat.completion');
    assert.equal(choice.message.role, 'assistant');
    assert.match(choice.message.content, answer);
    assert.equal(choice.finish_reason, 'stop');
    const {usage} = completion;
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    const {exact_tokens, adopted_tokens, new_tokens} = usage.redknot;
    assert.equal(exact_tokens + adopted_tokens + new_tokens, usage.prompt_tokens);
    assert.equal(usage.prompt_tokens_details.cached_tokens, exact_tokens);
  });

  test('streams the same text, and usage last', {timeout}, async () => {
    const whole = await client.chat.completions.create(asked);
    const options = {stream: true, stream_options: {include_usage: true}};
    const {text, finish, usage} = await joined(await client.chat.completions.create({...asked, ...options}));
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(finish, whole.choices[0].finish_reason);
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
    const without = await joined(await client.chat.completions.create({...asked, stream: true}));
    assert.deepEqual(without, {text, finish, usage: null});
  });

  test('is understood by the stream runner of the package', {timeout}, async () => {
    const pieces = [];
    const runner = client.chat.completions.stream(asked);
    runner.on('content', (piece) => pieces.push(piece));
    const completion = await runner.finalChatCompletion();
    assert.equal(pieces.join(''), completion.choices[0].message.content);
    assert.match(completion.choices[0].message.content, answer);
  });

  test('reuses marked parts in another order', {timeout}, async () => {
    const ask = async (...order) => {
      const messages = [{role: 'user', content: parts(...order)}];
      const request = {model, messages, temperature: 0, max_tokens: 8, redknot: {reuse: 'segment'}};
      return (await client.chat.completions.create(request)).usage;
    };
    const first = await ask(0, 1, 2);
    const second = await ask(2, 0, 1);
    assert.ok(second.redknot.adopted_tokens > first.prompt_tokens / 2, JSON.stringify(second));
    assert.ok(second.redknot.recovered_tokens <= second.redknot.adopted_tokens);
  });

  test('gives n answers, the same ones for the same seed', {timeout}, async () => {
    const request = {...asked, documents: [], n: 3, temperature: 2, seed: 7, max_tokens: 12};
    const texts = async () => {
      const {choices} = await client.chat.completions.create(request);
      assert.deepEqual(choices.map((choice) => choice.index), [0, 1, 2]);
      return choices.map((choice) => choice.message.content);
    };
    const first = await texts();
    assert.deepEqual(await texts(), first);
    assert.ok(new Set(first).size > 1, JSON.stringify(first));
  });

  test('reports probabilities of the tokens of the answer', {timeout}, async () => {
    const request = {...asked, logprobs: true, top_logprobs: 3};
    const [choice] = (await client.chat.completions.create(request)).choices;
    const tokens = choice.logprobs.content;
    assert.ok(tokens.map((each) => each.token).join('').startsWith(choice.message.content));
    for (const each of tokens) {
      assert.ok(each.logprob <= 0 && Array.isArray(each.bytes));
      assert.equal(each.top_logprobs.length, 3);
      assert.equal(each.top_logprobs[0].token, each.token, 'the likeliest, at temperature 0');
    }
  });

  test('stops where it is told to', {timeout}, async () => {
    const cut = await client.chat.completions.create({...asked, max_tokens: 2});
    assert.equal(cut.choices[0].finish_reason, 'length');
    assert.equal(cut.usage.completion_tokens, 2);
    const stopped = await client.chat.completions.create({...asked, stop: ['clock']});
    assert.equal(stopped.choices[0].finish_reason, 'stop');
    assert.doesNotMatch(stopped.choices[0].message.content, /clock/);
  });

  test('answers many at once as each alone', {timeout}, async () => {
    const questions = ['Where is Harven Mills based?', 'Who lives in Tanfort?', question,
      'What does Delia Romsk play?'];
    const ask = async (content, at) => {
      const redknot = {reuse: at % 2 === 0 ? 'segment' : 'prefix'};
      const messages = [{role: 'user', content}];
      return joined(await client.chat.completions.create({...asked, messages, redknot, stream: true}));
    };
    const alone = [];
    for (const [at, content] of questions.entries()) alone.push(await ask(content, at));
    const rounds = [0, 1, 2, 3].flatMap(() => questions.map(ask));
    const together = await Promise.all(rounds);
    for (const [at, each] of together.entries()) assert.deepEqual(each, alone[at % 4]);
  });

  test('ends when the client leaves', {timeout}, async () => {
    const request = {...asked, max_tokens: 3500, ignore_eos: true, stream: true};
    await expectCancelled(server.url, 3500, async () => {
      const stream = await client.chat.completions.create(request);
      let pieces = 0;
      for await (const chunk of stream) {
        if (chunk.choices[0]?.delta.content && ++pieces === 3) stream.controller.abort();
      }
      assert.ok(pieces >= 3);
    });
  });
});

describe('structured answers', {timeout: suiteTimeout}, () => {
  const json_schema = {name: 'weather', strict: true, schema: weatherSchema};
  const response_format = {type: 'json_schema', json_schema};

  test('follow their schema, whole and as a stream', {timeout}, async () => {
    for (const seed of [1, 2, 3]) {
      const request = {...asked, response_format, temperature: 1.5, seed, max_tokens: 200};
      const [choice] = (await client.chat.completions.create(request)).choices;
      assert.ok(isWeather(JSON.parse(choice.message.content)), choice.message.content);
      assert.equal(choice.finish_reason, 'stop');
      const streamed = await client.chat.completions.stream(request).finalContent();
      assert.equal(streamed, choice.message.content);
    }
  });

  test('are any object where that is asked for', {timeout}, async () => {
    const request = {...asked, response_format: {type: 'json_object'}, max_tokens: 300};
    const [choice] = (await client.chat.completions.create(request)).choices;
    assert.match(choice.message.content.trimStart(), /^\{/);
    if (choice.finish_reason === 'stop') JSON.parse(choice.message.content);
  });

  test('are refused where the schema is not understood', {timeout}, async () => {
    const schema = {type: 'object', properties: {a: {not: {type: 'string'}}}};
    const wrong = {type: 'json_schema', json_schema: {name: 'x', schema}};
    await assert.rejects(
      client.chat.completions.create({...asked, response_format: wrong}),
      (error) => error instanceof OpenAI.BadRequestError && error.param.startsWith('response_format'));
  });
});

describe('tools', {timeout: suiteTimeout}, () => {
  const tools = [{
    type: 'function',
    function: {name: 'weather', description: 'The weather of a town', parameters: weatherSchema},
  }];
  const tool_choice = {type: 'function', function: {name: 'weather'}};
  let tooled;
  let toolClient;
  let request;

  before(async () => {
    tooled = await serve('--chat-template-file', toolsTemplate);
    toolClient = clientOf(tooled.url);
    const messages = [{role: 'user', content: 'How is the weather in Lorvik?'}];
    request = {model, messages, tools, tool_choice, temperature: 0, max_tokens: 200};
  }, {timeout});
  after(async () => tooled?.stop(), {timeout});

  function check(choice) {
    const [call, ...others] = choice.message.tool_calls;
    assert.equal(others.length, 0);
    assert.equal(call.type, 'function');
    assert.equal(call.function.name, 'weather');
    assert.ok(isWeather(JSON.parse(call.function.arguments)), call.function.arguments);
    assert.ok(call.id.length > 0);
    return call;
  }

  test('are called when they must be, and their answers are taken', {timeout}, async () => {
    const {choices} = await toolClient.chat.completions.create(request);
    const call = check(choices[0]);
    const messages = [
      ...request.messages,
      choices[0].message,
      {role: 'tool', tool_call_id: call.id, content: 'It rains in Lorvik.'},
    ];
    const next = await toolClient.chat.completions.create({...request, messages, tool_choice: 'none'});
    assert.equal(next.choices[0].message.tool_calls, undefined);
    assert.equal(typeof next.choices[0].message.content, 'string');
  });

  test('stream their calls', {timeout}, async () => {
    const whole = await toolClient.chat.completions.create(request);
    const streamed = await toolClient.chat.completions.stream(request).finalChatCompletion();
    assert.equal(check(streamed.choices[0]).function.arguments,
      check(whole.choices[0]).function.arguments);
    assert.equal(streamed.choices[0].finish_reason, whole.choices[0].finish_reason);
  });

  test('are required to be called where any will do', {timeout}, async () => {
    check((await toolClient.chat.completions.create({...request, tool_choice: 'required'})).choices[0]);
  });

  test('are refused by a model whose template knows none', {timeout}, async () => {
    await assert.rejects(client.chat.completions.create({...asked, tools}),
      (error) => error instanceof OpenAI.BadRequestError && error.param === 'tools');
  });
});

describe('completions', {timeout: suiteTimeout}, () => {
  const prompt = `<|document|> ${documents[0].text}<|user|> ${question}<|assistant|>`;

  test('continue a text, whole and as a stream', {timeout}, async () => {
    const request = {model, prompt, temperature: 0, max_tokens: 20};
    const {choices, usage, object} = await client.completions.create(request);
    assert.equal(object, 'text_completion');
    assert.match(choices[0].text, answer);
    assert.ok(usage.completion_tokens > 0);
    let text = '';
    for await (const chunk of await client.completions.create({...request, stream: true})) {
      text += chunk.choices[0]?.text ?? '';
    }
    assert.equal(text, choices[0].text);
  });

  test('take many prompts and echo them', {timeout}, async () => {
    const request = {model, prompt: [prompt, 'The'], temperature: 0, max_tokens: 3, echo: true};
    const {choices} = await client.completions.create(request);
    assert.deepEqual(choices.map((choice) => choice.index), [0, 1]);
    assert.ok(choices[1].text.startsWith('The') && choices[1].text.length > 3);
  });

  test('report probabilities, of the answer alone', {timeout}, async () => {
    const request = {model, prompt, temperature: 0, max_tokens: 4, logprobs: 2};
    const [{text, logprobs}] = (await client.completions.create(request)).choices;
    assert.ok(logprobs.tokens.join('').startsWith(text));
    assert.equal(logprobs.tokens.length, logprobs.token_logprobs.length);
    assert.ok(logprobs.token_logprobs.every((each) => each <= 0));
    await assert.rejects(client.completions.create({...request, echo: true}), (error) =>
      error instanceof OpenAI.BadRequestError && error.param === 'logprobs');
  });
});

describe('errors', {timeout: suiteTimeout}, () => {
  const refused = (change, kind, param) =>
    assert.rejects(client.chat.completions.create({...asked, ...change}), (error) => {
      assert.ok(error instanceof kind, `${error}`);
      assert.equal(error.param, param);
      assert.ok(error.message.length > 10);
      return true;
    });

  test('name the field', {timeout}, async () => {
    await refused({temperature: 'hot'}, OpenAI.BadRequestError, 'temperature');
    await refused({temperature: 3}, OpenAI.BadRequestError, 'temperature');
    await refused({n: 0}, OpenAI.BadRequestError, 'n');
    await refused({max_tokens: -5}, OpenAI.BadRequestError, 'max_tokens');
    await refused({messages: [{role: 'king', content: 'x'}]}, OpenAI.BadRequestError, 'messages[0].role');
    await refused({messages: []}, OpenAI.BadRequestError, 'messages');
    await refused({stream: 1}, OpenAI.BadRequestError, 'stream');
  });

  test('tell models and prompts that do not fit', {timeout}, async () => {
    await refused({model: 'another'}, OpenAI.NotFoundError, 'model');
    const messages = [{role: 'user', content: 'many words '.repeat(20_000)}];
    await assert.rejects(client.chat.completions.create({...asked, messages}), (error) =>
      error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded');
  });

  test('tell that a key is missing', {timeout: 100_000}, async () => {
    const locked = await serve('--api-key', 'a-key-of-tests');
    await assert.rejects(clientOf(locked.url, 'wrong').models.list(), OpenAI.AuthenticationError);
    const {data} = await clientOf(locked.url, 'a-key-of-tests').models.list();
    assert.equal(data.length, 1);
    await locked.stop();
  });
});
