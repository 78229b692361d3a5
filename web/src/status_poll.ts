// SPDX-License-Identifier: Apache-2.0
// Asks for the status every second while the page is visible, more rarely while nobody answers. One
// request at a time.

import type {Status} from './status';

export const everyMs = 1000;
export const afterFailureMs = 5000;

export interface Watcher {
  ask(): Promise<Status>;
  visible(): boolean;
  show(status: Status): void;
  fail(error: unknown): void;
}

export class StatusPoll {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking: Promise<void> | null = null;

  constructor(private readonly watcher: Watcher) {}

  // Asks at once, unless it is asking already; then every second. To be called too when the page
  // becomes visible again.
  now(): Promise<void> {
    clearTimeout(this.timer);
    this.asking ??= this.turn().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  private async turn(): Promise<void> {
    if (!this.watcher.visible()) return;
    let wait = everyMs;
    try {
      this.watcher.show(await this.watcher.ask());
    } catch (error) {
      wait = afterFailureMs;
      this.watcher.fail(error);
    }
    this.timer = setTimeout(() => void this.now(), wait);
  }
}
