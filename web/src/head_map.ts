// SPDX-License-Identifier: Apache-2.0
// How heads are shown: sizes, sentences and sums. No elements here, see head_map_view.ts.

import {formatBytes, plural} from './numbers';
import {headClasses, type Head, type HeadClass} from './status';

// Side of a head's mark, 0..1 of its cell: its area is as its bytes to the largest. A head that
// keeps anything is seen.
export function markSide(bytes: number, largest: number): number {
  if (bytes <= 0 || largest <= 0) return 0.16;
  return Math.max(0.25, Math.sqrt(Math.min(bytes / largest, 1)));
}

export function sharedPart(head: Head): number {
  return head.bytes > 0 ? Math.min(head.sharedBytes / head.bytes, 1) : 0;
}

function seen(head: Head): string {
  if (head.class === 'global') return 'sees everything';
  const near = `sees the first ${head.sinkTokens} and last ${plural(head.windowTokens, 'token')}`;
  return head.class === 'local' ? near : `${near}, and ${plural(head.topPages, 'page')} of its choice`;
}

export function describeHead(head: Head): string {
  const shared = head.sharedBytes > 0 ? `, ${formatBytes(head.sharedBytes)} of it shared` : '';
  const recovers = head.recovers ? '; recovered in reused documents' : '';
  return (
    `Layer ${head.layer}, KV head ${head.kvHead}: ${head.class}, ${seen(head)}; ` +
    `keeps ${formatBytes(head.bytes)} as ${head.dtype}${shared}${recovers}`
  );
}

export interface ClassSum {
  class: HeadClass;
  heads: number;
  bytes: number;
}

export function sumByClass(heads: readonly Head[]): ClassSum[] {
  return headClasses.map((each) => {
    const members = heads.filter((head) => head.class === each);
    return {class: each, heads: members.length, bytes: members.reduce((sum, head) => sum + head.bytes, 0)};
  });
}

// Where a key leads in a grid of `columns` x `rows`, or null if it is not for the grid.
export function step(key: string, column: number, row: number, columns: number, rows: number) {
  const within = (value: number, count: number): number => Math.min(Math.max(value, 0), count - 1);
  switch (key) {
    case 'ArrowLeft':
      return {column: within(column - 1, columns), row};
    case 'ArrowRight':
      return {column: within(column + 1, columns), row};
    case 'ArrowUp':
      return {column, row: within(row - 1, rows)};
    case 'ArrowDown':
      return {column, row: within(row + 1, rows)};
    case 'Home':
      return {column: 0, row};
    case 'End':
      return {column: columns - 1, row};
    default:
      return null;
  }
}
