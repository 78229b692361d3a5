// SPDX-License-Identifier: Apache-2.0
// Requests to the server that the page came from, with the API key of this tab.

import type {ChatRequest} from './chat_request';
import {readEvents} from './server_sent_events';
import {readStatus, type Status} from './status';

export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

async function explain(response: Response): Promise<ServerError> {
  let message = '';
  try {
    const body = (await response.json()) as {error?: {message?: unknown; param?: unknown}};
    if (typeof body.error?.message === 'string') message = body.error.message;
    if (typeof body.error?.param === 'string') message = `${body.error.param}: ${message}`;
  } catch {
    // Not every answer on the way here is JSON.
  }
  if (message === '') message = `HTTP ${response.status} ${response.statusText}`.trim();
  return new ServerError(message, response.status);
}

function headers(key: string): Record<string, string> {
  return key === '' ? {} : {Authorization: `Bearer ${key}`};
}

export async function fetchStatus(key: string): Promise<Status> {
  const signal = AbortSignal.timeout(10_000);
  const response = await fetch('redknot/status', {headers: headers(key), cache: 'no-store', signal});
  if (!response.ok) throw await explain(response);
  return readStatus(await response.json());
}

// The data of the answer's events, up to and without [DONE].
export async function* streamChat(
  request: ChatRequest,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const response = await fetch('v1/chat/completions', {
    method: 'POST',
    headers: {...headers(key), 'Content-Type': 'application/json'},
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw await explain(response);
  if (!response.body) throw new ServerError('the server sent no body', response.status);
  for await (const data of readEvents(response.body)) {
    if (data === '[DONE]') return;
    yield data;
  }
  throw new ServerError('the connection ended before the answer did', response.status);
}
