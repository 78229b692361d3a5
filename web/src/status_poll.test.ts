// SPDX-License-Identifier: Apache-2.0
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';

import type {Status} from './status';
import {StatusPoll, afterFailureMs, everyMs} from './status_poll';

const status = {} as Status;

function watcher() {
  return {
    ask: vi.fn(() => Promise.resolve(status)),
    visible: vi.fn(() => true),
    show: vi.fn(),
    fail: vi.fn(),
  };
}

describe('StatusPoll', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('asks every second while visible', async () => {
    const seen = watcher();
    await new StatusPoll(seen).now();
    await vi.advanceTimersByTimeAsync(3 * everyMs);
    expect(seen.show).toHaveBeenCalledTimes(4);
    seen.visible.mockReturnValue(false);
    await vi.advanceTimersByTimeAsync(10 * everyMs);
    expect(seen.ask).toHaveBeenCalledTimes(4);
  });

  it('goes on when the page is visible again', async () => {
    const seen = watcher();
    seen.visible.mockReturnValue(false);
    const poll = new StatusPoll(seen);
    await poll.now();
    expect(seen.ask).not.toHaveBeenCalled();
    seen.visible.mockReturnValue(true);
    await poll.now();
    await vi.advanceTimersByTimeAsync(everyMs);
    expect(seen.ask).toHaveBeenCalledTimes(2);
  });

  it('never asks twice at a time', async () => {
    const seen = watcher();
    let answer: (value: Status) => void = () => undefined;
    seen.ask.mockImplementation(() => new Promise((resolve) => (answer = resolve)));
    const poll = new StatusPoll(seen);
    const both = Promise.all([poll.now(), poll.now()]);
    await vi.advanceTimersByTimeAsync(5 * everyMs);
    expect(seen.ask).toHaveBeenCalledTimes(1);
    answer(status);
    await both;
    expect(seen.show).toHaveBeenCalledTimes(1);
  });

  it('asks more rarely after a failure, and recovers', async () => {
    const seen = watcher();
    seen.ask.mockRejectedValueOnce(new Error('gone'));
    await new StatusPoll(seen).now();
    expect(seen.fail).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(afterFailureMs - 1);
    expect(seen.ask).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.show).toHaveBeenCalledTimes(1);
  });
});
