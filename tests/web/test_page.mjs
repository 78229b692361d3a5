// SPDX-License-Identifier: Apache-2.0
// The page at `/` in Chromium, served by the binary. Ends with 77, skipped, where there is no
// Chromium or no page.
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {after, afterEach, before, beforeEach, describe, test} from 'node:test';

import {chromium} from 'playwright-core';

import {eventually, expectCancelled, profile, serve, status} from './served.mjs';

const executablePath = process.env.REDKNOT_CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) {
  console.log(`no ${executablePath}`);
  process.exit(77);
}

const timeout = 60_000;
const suiteTimeout = 500_000;
let browser;
let server;
let page;
let problems; // what the browser's console calls errors

async function open(url, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  context.setDefaultTimeout(15_000);
  const opened = await context.newPage();
  opened.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  opened.on('pageerror', (error) => problems.push(String(error)));
  await opened.goto(url);
  return opened;
}

const titles = () => page.locator('.document input').evaluateAll((inputs) => inputs.map((each) => each.value));

async function addDocuments(...names) {
  for (const name of names) {
    await page.getByRole('button', {name: 'Add', exact: true}).click();
    await page.keyboard.type(name);
    await page.locator('.document').last().locator('textarea').fill(`The ${name} is red.`);
  }
}

// Asks, waits for the end, and returns the exchange on the page.
async function ask(question) {
  const known = await page.locator('.exchange').count();
  await page.getByLabel('Question').fill(question);
  await page.getByRole('button', {name: 'Send'}).click();
  const exchange = page.locator('.exchange').nth(known);
  await exchange.locator('.measures, .error').waitFor();
  return exchange;
}

async function tokensByKind(exchange) {
  const kinds = {};
  for (const item of await exchange.locator('.tokens li').all()) {
    const count = (await item.innerText()).replace(/[^0-9]/g, '');
    kinds[await item.getAttribute('data-kind')] = Number(count);
  }
  return kinds;
}

const sum = (kinds) => kinds.exact + kinds.adopted + kinds.recovered + kinds.new;

before(async () => {
  server = await serve('--profile', profile);
  const found = await fetch(server.url);
  if (found.status !== 200) {
    console.log(`the server has no page: ${found.status}`);
    await server.stop();
    process.exit(77);
  }
  browser = await chromium.launch({executablePath, args: ['--no-sandbox'], timeout: 30_000});
}, {timeout: 120_000});
after(async () => {
  await browser?.close();
  await server?.stop();
}, {timeout});

describe('the page', {timeout: suiteTimeout}, () => {
  beforeEach(async () => {
    problems = [];
    page = await open(server.url);
  });
  afterEach(async () => {
    await page.context().close();
    assert.deepEqual(problems, []);
  });

  test('comes with a policy that lets it load nothing from elsewhere', {timeout}, async () => {
    const response = await fetch(server.url);
    assert.match(response.headers.get('content-type'), /^text\/html/);
    assert.match(response.headers.get('content-security-policy'), /default-src 'self'/);
    const hosts = await page.evaluate(() =>
      performance.getEntriesByType('resource').map((each) => new URL(each.name).origin));
    assert.deepEqual([...new Set(hosts)], [server.url]);
  });

  test('names the model and shows every head', {timeout}, async () => {
    const {model, layers, kv_heads, heads} = await status(server.url);
    await page.locator('#server').filter({hasText: model}).waitFor();
    assert.equal(await page.getByRole('gridcell').count(), layers * kv_heads);
    assert.equal(await page.locator('#map [role=row]').count(), kv_heads);
    const first = heads.find((head) => head.layer === 0 && head.kv_head === 0);
    const label = await page.getByRole('gridcell').first().getAttribute('aria-label');
    assert.match(label, new RegExp(`^Layer 0, KV head 0: ${first.class}, .* as ${first.dtype}`));
    for (const name of ['global', 'local', 'retrieval']) {
      const members = heads.filter((head) => head.class === name).length;
      assert.equal(await page.locator(`.cell.${name}`).count(), members, name);
      const key = await page.locator(`#legend [data-class=${name}]`).innerText();
      assert.match(key, new RegExp(`^${name}: ${members} head`));
    }
    assert.equal(await page.locator('.cell.recovers').count(), heads.filter((head) => head.recovers).length);
  });

  test('tells of a head by pointer and by keys', {timeout}, async () => {
    const {layers} = await status(server.url);
    const sentence = page.locator('#head');
    await page.getByRole('gridcell').nth(1).hover();
    await sentence.filter({hasText: 'Layer 1, KV head 0:'}).waitFor();
    await page.getByRole('gridcell').first().focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('End');
    await sentence.filter({hasText: `Layer ${layers - 1}, KV head 1:`}).waitFor();
    assert.equal(await page.locator('[role=gridcell][tabindex="0"]').count(), 1);
  });

  test('streams an answer and says what it cost', {timeout}, async () => {
    await page.getByRole('button', {name: 'Add examples'}).click();
    const exchange = await ask('What does Harven Mills make?');
    assert.notEqual((await exchange.locator('.answer').innerText()).trim(), '');
    assert.match(await exchange.locator('.measures').innerText(), /^TTFT \d.* tokens in, \d+ out/);
    const inPrompt = Number(/([\d,]+) tokens in/.exec(await exchange.innerText())[1].replace(',', ''));
    const first = await tokensByKind(exchange);
    assert.equal(sum(first), inPrompt);
    const bar = await exchange.locator('.bar').getAttribute('aria-label');
    assert.equal(bar, `Tokens of the prompt: ${first.exact} exact, ${first.adopted} adopted, ` +
      `${first.recovered} recovered, ${first.new} new`);
  });

  test('reuses documents in another order', {timeout}, async () => {
    await page.getByRole('button', {name: 'Add examples'}).click();
    await ask('What does Harven Mills make?');
    await page.getByRole('button', {name: 'Clear chat'}).click();
    await page.getByRole('button', {name: 'Move document 1 down'}).click();
    const kinds = await tokensByKind(await ask('Who lives in Tanfort?'));
    assert.ok(kinds.adopted + kinds.recovered > 0, JSON.stringify(kinds));
    await eventually('bytes on the map', async () =>
      /keeps [1-9]/.test(await page.getByRole('gridcell').first().getAttribute('aria-label')));
    await page.locator('#server').filter({hasText: /[1-9]\d* segments?$/}).waitFor();
  });

  test('reorders documents by buttons and keys, and keeps the focus', {timeout}, async () => {
    await addDocuments('a', 'b', 'c');
    await page.getByRole('button', {name: 'Move document 1 down'}).click();
    assert.deepEqual(await titles(), ['b', 'a', 'c']);
    await page.keyboard.press('Enter');
    assert.deepEqual(await titles(), ['b', 'c', 'a']);
    // At the end there is no further down: the focus waits on the handle.
    await page.keyboard.press('ArrowUp');
    assert.deepEqual(await titles(), ['b', 'a', 'c']);
    await page.keyboard.press('ArrowUp');
    assert.deepEqual(await titles(), ['a', 'b', 'c']);
    assert.equal(await page.locator('#announcer').innerText(), 'Document 1 of 3');
    await page.getByRole('button', {name: 'Remove document 2'}).click();
    assert.deepEqual(await titles(), ['a', 'c']);
  });

  test('reorders documents by dragging', {timeout}, async () => {
    await addDocuments('a', 'b', 'c');
    const handle = await page.locator('.handle').first().boundingBox();
    const last = await page.locator('.document').last().boundingBox();
    await page.mouse.move(handle.x + 5, handle.y + 5);
    await page.mouse.down();
    await page.mouse.move(handle.x + 5, last.y + last.height - 5, {steps: 8});
    assert.equal(await page.locator('.document.dragging').count(), 1);
    await page.mouse.up();
    assert.deepEqual(await titles(), ['b', 'c', 'a']);
    assert.equal(await page.locator('.document.dragging').count(), 0);
    const texts = await page.locator('.document textarea').evaluateAll((all) => all.map((each) => each.value));
    assert.deepEqual(texts, ['The b is red.', 'The c is red.', 'The a is red.']);
  });

  test('sends documents in the order shown, with the chosen reuse', {timeout}, async () => {
    await page.locator('#placement').selectOption('message');
    await addDocuments('a', 'b');
    await page.getByRole('button', {name: 'Move document 2 up'}).click();
    await page.locator('#reuse').selectOption('segment');
    await page.locator('#recovery').selectOption('boundary');
    const sent = page.waitForRequest('**/v1/chat/completions');
    await ask('Which?');
    const body = (await sent).postDataJSON();
    assert.deepEqual(body.redknot, {reuse: 'segment', recovery: 'boundary'});
    const cache_control = {type: 'ephemeral'};
    assert.deepEqual(body.messages[0].content, [
      {type: 'text', text: 'b\nThe b is red.\n\n', cache_control},
      {type: 'text', text: 'a\nThe a is red.\n\n', cache_control},
      {type: 'text', text: 'Which?'},
    ]);
    await page.locator('#reuse').selectOption('none');
    assert.ok(await page.locator('#recovery').isDisabled());
  });

  test('stops an answer, and the server stops too', {timeout}, async () => {
    await page.route('**/v1/chat/completions', (route) => {
      const postData = {...route.request().postDataJSON(), ignore_eos: true, max_tokens: 3500};
      return route.continue({postData});
    });
    // The page itself presses the button at the first text, however busy the machine is.
    await page.evaluate(() => {
      const [log, send, stop] = ['log', 'send', 'stop'].map((id) => document.getElementById(id));
      const watch = new MutationObserver(() => {
        if (!log.querySelector('.answer')?.textContent) return;
        watch.disconnect();
        log.dataset.sendWas = send.disabled ? 'disabled' : 'enabled';
        stop.click();
      });
      watch.observe(log, {subtree: true, childList: true, characterData: true});
    });
    await expectCancelled(server.url, 3500, async () => {
      await page.getByLabel('Question').fill('Count.');
      await page.keyboard.press('Enter');
      await page.locator('.measures').filter({hasText: 'stopped'}).waitFor();
      assert.equal(await page.locator('#log').getAttribute('data-send-was'), 'disabled');
      assert.ok(await page.getByRole('button', {name: 'Send'}).isEnabled());
      assert.ok(await page.getByRole('button', {name: 'Stop'}).isDisabled());
    });
  });

  test('shows what the server refuses, and what has markup as text', {timeout}, async () => {
    await page.locator('#max-tokens').fill('1');
    const exchange = await ask('<img src=x onerror="document.title=1">');
    assert.equal(await exchange.locator('.question').innerText(), '<img src=x onerror="document.title=1">');
    assert.equal(await page.locator('#log img').count(), 0);
    await page.route('**/v1/chat/completions', (route) => {
      const postData = {...route.request().postDataJSON(), messages: 7};
      return route.continue({postData});
    });
    const refused = await ask('Why?');
    assert.match(await refused.locator('.error').innerText(), /messages/);
    assert.equal(await page.getByLabel('Question').inputValue(), 'Why?');
    problems = problems.filter((each) => !each.includes('400'));
  });

  test('keeps documents until the tab is closed', {timeout}, async () => {
    await addDocuments('a', 'b');
    await page.reload();
    assert.deepEqual(await titles(), ['a', 'b']);
  });

  test('fits on a screen of 360 pixels', {timeout}, async () => {
    await page.setViewportSize({width: 360, height: 740});
    await page.getByRole('button', {name: 'Add examples'}).click();
    await ask('What does Harven Mills make?');
    await page.locator('.cell').first().waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 360);
  });

  test('is dark where the system is', {timeout}, async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.emulateMedia({colorScheme: 'dark'});
    assert.notEqual(await ground(), light);
  });
});

describe('the page of a server with keys', {timeout: suiteTimeout}, () => {
  const key = 'a-key-of-tests';

  test('takes the key from the browser, or from its field, and keeps it for the tab', {timeout: 100_000}, async () => {
    const locked = await serve('--api-key', key);
    const {model} = await status(locked.url, key);
    problems = [];
    page = await open(locked.url, {httpCredentials: {username: '', password: key}});
    await page.locator('#server').filter({hasText: model}).waitFor();
    await page.getByText('API key', {exact: true}).click();
    await page.locator('#key').fill('wrong');
    await page.locator('#key').blur();
    await page.locator('#server.error').filter({hasText: 'API key'}).waitFor();
    await page.locator('#key').fill(key);
    await page.locator('#key').blur();
    await page.locator('#server').filter({hasText: model}).waitFor();
    await page.reload();
    assert.equal(await page.locator('#key').inputValue(), key);
    await page.locator('#max-tokens').fill('3');
    assert.equal(await (await ask('Who?')).locator('.error').count(), 0);
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    await locked.stop();
    await page.locator('#server.error').filter({hasText: 'cannot be reached'}).waitFor();
    await page.context().close();
    problems = problems.filter((each) => !/401|ERR_CONNECTION|ERR_EMPTY/.test(each));
    assert.deepEqual(problems, []);
  });
});
