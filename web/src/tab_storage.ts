// SPDX-License-Identifier: Apache-2.0
// What is kept until the tab is closed. A browser that forbids it, or has no room, only forgets.

const prefix = 'redknot.';

export function recall(name: string): string | null {
  try {
    return sessionStorage.getItem(prefix + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    sessionStorage.setItem(prefix + name, value);
  } catch {
    // The page works without.
  }
}
