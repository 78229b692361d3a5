// SPDX-License-Identifier: Apache-2.0
// What GET /redknot/status says of the server, checked for shape before it is shown.

export const headClasses = ['global', 'local', 'retrieval'] as const;
export type HeadClass = (typeof headClasses)[number];

export interface Head {
  layer: number;
  kvHead: number;
  class: HeadClass;
  dtype: string;
  sinkTokens: number;
  windowTokens: number;
  topPages: number;
  recovers: boolean; // its tokens in reused documents may be computed again
  bytes: number; // of pages in use, by all sequences
  sharedBytes: number; // of these, in pages that more than one use
}

export interface Pool {
  dtype: string;
  pageBytes: number;
  totalPages: number;
  freePages: number;
}

export interface Status {
  model: string;
  contextTokens: number;
  running: number;
  waiting: number;
  segments: number;
  layers: number;
  kvHeads: number;
  heads: Head[]; // layers x kvHeads, layer by layer
  pools: Pool[];
  hasProfile: boolean;
}

type Fields = Record<string, unknown>;

function fields(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null) throw new Error(`status: ${name} is missing`);
  return value as Fields;
}

function count(from: Fields, name: string): number {
  const value = from[name];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new Error(`status: ${name} is not a count`);
  }
  return value;
}

function text(from: Fields, name: string): string {
  const value = from[name];
  if (typeof value !== 'string') throw new Error(`status: ${name} is not a text`);
  return value;
}

function list(from: Fields, name: string): unknown[] {
  const value = from[name];
  if (!Array.isArray(value)) throw new Error(`status: ${name} is not a list`);
  return value as unknown[];
}

function readHead(json: unknown): Head {
  const raw = fields(json, 'heads[]');
  const found = headClasses.find((each) => each === raw['class']);
  if (!found) throw new Error(`status: no class of heads is called ${String(raw['class'])}`);
  return {
    layer: count(raw, 'layer'),
    kvHead: count(raw, 'kv_head'),
    class: found,
    dtype: text(raw, 'dtype'),
    sinkTokens: count(raw, 'sink_tokens'),
    windowTokens: count(raw, 'window_tokens'),
    topPages: count(raw, 'top_pages'),
    recovers: raw['recovers'] === true,
    bytes: count(raw, 'bytes'),
    sharedBytes: count(raw, 'shared_bytes'),
  };
}

function readPool(json: unknown): Pool {
  const raw = fields(json, 'pool[]');
  return {
    dtype: text(raw, 'dtype'),
    pageBytes: count(raw, 'page_bytes'),
    totalPages: count(raw, 'total_pages'),
    freePages: count(raw, 'free_pages'),
  };
}

export function readStatus(json: unknown): Status {
  const raw = fields(json, 'everything');
  const layers = count(raw, 'layers');
  const kvHeads = count(raw, 'kv_heads');
  const heads = list(raw, 'heads').map(readHead);
  heads.sort((a, b) => a.layer - b.layer || a.kvHead - b.kvHead);
  const inPlace = heads.every((head, at) => head.layer * kvHeads + head.kvHead === at);
  if (heads.length !== layers * kvHeads || !inPlace) {
    throw new Error('status: heads are not layers x kv_heads');
  }
  return {
    model: text(raw, 'model'),
    contextTokens: count(raw, 'context_tokens'),
    running: count(raw, 'running'),
    waiting: count(raw, 'waiting'),
    segments: count(raw, 'segments'),
    layers,
    kvHeads,
    heads,
    pools: list(raw, 'pool').map(readPool),
    hasProfile: typeof raw['profile'] === 'object' && raw['profile'] !== null,
  };
}
