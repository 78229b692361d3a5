// SPDX-License-Identifier: Apache-2.0
// The documents of a prompt, in order. Values: every change gives another list.

export interface Doc {
  readonly id: number; // of this page only, never sent
  readonly title: string;
  readonly text: string;
}

export type Docs = readonly Doc[];

export function addDocument(docs: Docs, title = '', text = ''): Docs {
  const id = 1 + Math.max(0, ...docs.map((doc) => doc.id));
  return [...docs, {id, title, text}];
}

export function removeDocument(docs: Docs, id: number): Docs {
  return docs.filter((doc) => doc.id !== id);
}

export function editDocument(docs: Docs, id: number, change: Partial<Omit<Doc, 'id'>>): Docs {
  return docs.map((doc) => (doc.id === id ? {...doc, ...change} : doc));
}

// `by` places down, or up when negative; not beyond either end.
export function moveDocument(docs: Docs, id: number, by: number): Docs {
  const from = docs.findIndex((doc) => doc.id === id);
  const moved = docs[from];
  if (!moved) return docs;
  const others = removeDocument(docs, id);
  const to = Math.min(Math.max(from + by, 0), others.length);
  return [...others.slice(0, to), moved, ...others.slice(to)];
}

// In the order of `ids`; those that it does not name follow as they were.
export function orderDocuments(docs: Docs, ids: readonly number[]): Docs {
  const rank = (doc: Doc): number => (ids.includes(doc.id) ? ids.indexOf(doc.id) : ids.length);
  return [...docs].sort((a, b) => rank(a) - rank(b));
}

export function writeDocuments(docs: Docs): string {
  return JSON.stringify(docs.map(({title, text}) => ({title, text})));
}

// What writeDocuments wrote; nothing of what is not like that.
export function readDocuments(json: string | null): Docs {
  let stored: unknown;
  try {
    stored = JSON.parse(json ?? '[]');
  } catch {
    return [];
  }
  if (!Array.isArray(stored)) return [];
  let docs: Docs = [];
  for (const each of stored as unknown[]) {
    const {title, text} = (each ?? {}) as {title?: unknown; text?: unknown};
    if (typeof title === 'string' && typeof text === 'string') docs = addDocument(docs, title, text);
  }
  return docs;
}

// Of the world that the default model reads about.
export const exampleDocuments: readonly {title: string; text: string}[] = [
  {
    title: 'Harven Mills',
    text:
      'Notes on Harven Mills. Harven Mills makes clocks. The company is based in Lorvik. The old ' +
      'bridge was repaired in the spring. Harven Mills was founded in 1884, as many people remember.',
  },
  {
    title: 'Delia Romsk',
    text:
      'About Delia Romsk. It is known that Delia Romsk lives in Tanfort. Few people noticed that ' +
      'the green window was closed. She works for Harven Mills. Delia Romsk plays the violin.',
  },
  {
    title: 'Lorvik',
    text:
      'About Lorvik. Lorvik stands by the river Sarnel. According to the records, Lorvik has a ' +
      'mayor named Pol Brandis. The narrow lane was covered with snow last winter.',
  },
];
export const exampleQuestion = 'What does Harven Mills make?';
