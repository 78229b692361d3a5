// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';

import {
  addDocument,
  editDocument,
  moveDocument,
  orderDocuments,
  readDocuments,
  removeDocument,
  writeDocuments,
  type Docs,
} from './documents';

const titles = (docs: Docs): string => docs.map((doc) => doc.title).join('');
const abc = ['a', 'b', 'c'].reduce<Docs>((docs, title) => addDocument(docs, title, ''), []);
const idOf = (title: string): number => abc.find((doc) => doc.title === title)?.id ?? -1;

describe('documents', () => {
  it('have ids of their own, also after one was removed', () => {
    const docs = addDocument(removeDocument(abc, idOf('b')), 'd');
    expect(titles(docs)).toBe('acd');
    expect(new Set(docs.map((doc) => doc.id)).size).toBe(3);
  });

  it('move by places and stop at the ends', () => {
    expect(titles(moveDocument(abc, idOf('a'), 1))).toBe('bac');
    expect(titles(moveDocument(abc, idOf('a'), 9))).toBe('bca');
    expect(titles(moveDocument(abc, idOf('c'), -1))).toBe('acb');
    expect(titles(moveDocument(abc, idOf('a'), -1))).toBe('abc');
    expect(moveDocument(abc, 99, 1)).toBe(abc);
  });

  it('take an order by ids, and keep those that it does not name', () => {
    expect(titles(orderDocuments(abc, [idOf('c'), idOf('a'), idOf('b')]))).toBe('cab');
    expect(titles(orderDocuments(abc, [idOf('c')]))).toBe('cab');
    expect(titles(orderDocuments(abc, []))).toBe('abc');
  });

  it('change one, and leave the others and the earlier list alone', () => {
    const changed = editDocument(abc, idOf('b'), {text: 'new'});
    expect(changed.map((doc) => doc.text)).toEqual(['', 'new', '']);
    expect(abc.map((doc) => doc.text)).toEqual(['', '', '']);
  });

  it('come back from storage as they were', () => {
    const docs = editDocument(abc, idOf('a'), {text: 'first "quoted"\nline'});
    expect(readDocuments(writeDocuments(docs))).toEqual(docs);
  });

  it('are none where storage has something else', () => {
    for (const stored of [null, '', '{', '7', 'null', '{"title":"a"}', '[null, 3, {"title": 1}]']) {
      expect(readDocuments(stored), String(stored)).toEqual([]);
    }
  });
});
