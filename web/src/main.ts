// SPDX-License-Identifier: Apache-2.0
// Puts the parts of the page together.

import './page.css';

import {ExchangeView} from './chat_view';
import type {Asked, Placement, Recovery, Reuse} from './chat_request';
import {Conversation, explain} from './conversation';
import {exampleDocuments, exampleQuestion, readDocuments, writeDocuments} from './documents';
import {DocumentsView} from './documents_view';
import {byId} from './elements';
import {HeadMapView} from './head_map_view';
import {formatCount, plural} from './numbers';
import {Pace} from './pace';
import {fetchStatus} from './server';
import type {Status} from './status';
import {StatusPoll} from './status_poll';
import {recall, remember} from './tab_storage';

const server = byId('server', HTMLElement);
const key = byId('key', HTMLInputElement);
const log = byId('log', HTMLElement);
const question = byId('question', HTMLTextAreaElement);
const reuse = byId('reuse', HTMLSelectElement);
const recovery = byId('recovery', HTMLSelectElement);
const placement = byId('placement', HTMLSelectElement);
const maxTokens = byId('max-tokens', HTMLInputElement);
const temperature = byId('temperature', HTMLInputElement);
const send = byId('send', HTMLButtonElement);
const stop = byId('stop', HTMLButtonElement);
const announcer = byId('announcer', HTMLElement);

const announce = (message: string): void => void (announcer.textContent = message);
const conversation = new Conversation();
const pace = new Pace();
let status: Status | null = null;

const documents = new DocumentsView(
  byId('document-list', HTMLOListElement),
  readDocuments(recall('documents')),
  (docs) => remember('documents', writeDocuments(docs)),
  announce,
);
const map = new HeadMapView({
  grid: byId('map', HTMLElement),
  sentence: byId('head', HTMLElement),
  legend: byId('legend', HTMLElement),
  pools: byId('pool', HTMLElement),
});
const poll = new StatusPoll({
  ask: () => fetchStatus(key.value),
  visible: () => document.visibilityState === 'visible',
  show: (latest) => {
    status = latest;
    server.classList.remove('error');
    server.textContent = describeServer(latest);
    map.show(latest);
  },
  fail: (error) => {
    server.classList.add('error');
    server.textContent = explain(error);
  },
});

function describeServer(latest: Status): string {
  return [
    latest.model,
    `${formatCount(latest.contextTokens)} tokens of context`,
    latest.hasProfile ? 'head profile' : 'no head profile',
    `${formatCount(latest.running)} running, ${formatCount(latest.waiting)} waiting`,
    plural(latest.segments, 'segment'),
  ].join(' · ');
}

function asked(text: string): Omit<Asked, 'turns'> {
  return {
    model: status?.model ?? '',
    docs: documents.docs,
    question: text,
    reuse: reuse.value as Reuse,
    recovery: recovery.value as Recovery,
    placement: placement.value as Placement,
    maxTokens: maxTokens.valueAsNumber,
    temperature: temperature.valueAsNumber,
  };
}

function showBusy(): void {
  send.disabled = conversation.busy;
  stop.disabled = !conversation.busy;
}

async function ask(): Promise<void> {
  const text = question.value.trim();
  if (text === '' || conversation.busy) return;
  const view = new ExchangeView(log, text, pace);
  question.value = '';
  const done = conversation.ask(asked(text), key.value, {
    update: (answer) => view.update(answer),
    finish: (answer, end) => {
      view.finish(answer, end);
      announce(`Answer: ${answer.text}`);
    },
    fail: (message) => {
      view.fail(message);
      if (question.value === '') question.value = text;
    },
  });
  showBusy();
  await done;
  showBusy();
  void poll.now();
}

byId('ask', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  void ask();
});
question.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId('ask', HTMLFormElement).requestSubmit(send.disabled ? null : send);
});
stop.addEventListener('click', () => {
  conversation.stop();
  question.focus();
});
byId('clear', HTMLButtonElement).addEventListener('click', () => {
  conversation.clear();
  log.replaceChildren();
  question.focus();
});
byId('add', HTMLButtonElement).addEventListener('click', () => {
  documents.add();
  documents.focusLast();
});
byId('examples', HTMLButtonElement).addEventListener('click', () => {
  for (const {title, text} of exampleDocuments) documents.add(title, text);
  if (question.value === '') question.value = exampleQuestion;
});
reuse.addEventListener('change', () => {
  recovery.disabled = reuse.value !== 'segment';
});
key.value = recall('key') ?? '';
key.addEventListener('input', () => remember('key', key.value));
key.addEventListener('change', () => void poll.now());
document.addEventListener('visibilitychange', () => void poll.now());
recovery.disabled = reuse.value !== 'segment';
void poll.now();
