// SPDX-License-Identifier: Apache-2.0
// `redknot serve`, started for one test file. Its arguments: BINARY MODEL. Everything is bounded.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';

const [binary, model] = process.argv.slice(2);
assert.ok(binary && model, 'usage: node test_TOPIC.mjs BINARY MODEL');

// The head profile that lies beside the model.
export const profile = model.replace(/\.gguf$/, '.profile.json');

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
  const response = await fetch(`${url}/redknot/status`, {headers, signal: AbortSignal.timeout(10_000)});
  assert.equal(response.status, 200);
  return response.json();
}

async function generatedTokens(url) {
  const text = await (await fetch(`${url}/metrics`, {signal: AbortSignal.timeout(10_000)})).text();
  return Number(/^redknot:generation_tokens_total\S* (\S+)$/m.exec(text)?.[1]);
}

// Runs `leave`, which asks for `tokens` tokens and goes away early: the server must notice.
export async function expectCancelled(url, tokens, leave) {
  const before = await generatedTokens(url);
  await leave();
  await eventually('nothing runs', async () => (await status(url)).running === 0, 10_000);
  const made = (await generatedTokens(url)) - before;
  assert.ok(made > 0 && made < tokens, `${made} tokens for nobody`);
}
