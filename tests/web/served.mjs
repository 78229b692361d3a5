// SPDX-License-Identifier: Apache-2.0
// `redknot serve`, started for one test file. Its arguments: BINARY MODEL. Everything is bounded.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';

const [binary, model] = process.argv.slice(2);
assert.ok(binary && model, 'usage: node test_TOPIC.mjs BINARY MODEL');

const startMs = 60_000;
const stopMs = 20_000;

// The server's address, once it listens. It is stopped by stop(), or with this process.
export async function serve(...options) {
  const child = spawn(binary, ['serve', '-m', model, '--port', '0', ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve({code, signal})));
  let said = '';
  const listening = new Promise((resolve) => {
    child.stderr.on('data', (bytes) => {
      said += bytes;
      const match = /listening on (http:\/\/\S+)/.exec(said);
      if (match) resolve(match[1]);
    });
  });
  const url = await Promise.race([listening, ended.then(() => null), sleep(startMs, null, {ref: false})]);
  if (!url) {
    child.kill('SIGKILL');
    throw new Error(`redknot serve does not listen; it says:\n${said}`);
  }
  return {
    url,
    said: () => said,
    async stop() {
      child.kill('SIGTERM');
      const end = await Promise.race([ended, sleep(stopMs, null, {ref: false})]);
      if (!end) child.kill('SIGKILL');
      assert.ok(end, `the server does not stop within ${stopMs} ms of SIGTERM`);
      assert.equal(end.code, 0, `exit code ${end.code}, signal ${end.signal}; it says:\n${said}`);
    },
  };
}

// Calls `look` until it returns something true, and returns that.
export async function eventually(what, look, withinMs = 15_000) {
  const until = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < until, `${what}: not within ${withinMs} ms`);
    await sleep(50);
  }
}

export async function status(url, key) {
  const headers = key ? {authorization: `Bearer ${key}`} : {};
  const response = await fetch(`${url}/redknot/status`, {headers});
  assert.equal(response.status, 200);
  return response.json();
}

// The token that ends an answer of the default model; banned by logit_bias, answers are as long as
// they may be.
export async function endToken(url) {
  const response = await fetch(`${url}/tokenize`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({content: '<|end|>', prompt: '<|end|>', add_special: false,
      add_special_tokens: false, parse_special: true}),
  });
  assert.equal(response.status, 200, await response.clone().text());
  const {tokens} = await response.json();
  return tokens.at(-1);
}
