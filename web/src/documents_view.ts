// SPDX-License-Identifier: Apache-2.0
// The boxes of documents: edited in place, reordered by a handle (mouse, touch, arrow keys) or by
// buttons. The list of documents belongs to this view; `changed` hears of every change.

import {
  addDocument,
  editDocument,
  moveDocument,
  orderDocuments,
  removeDocument,
  type Doc,
  type Docs,
} from './documents';
import {button, element} from './elements';

export class DocumentsView {
  constructor(
    private readonly list: HTMLOListElement,
    private current: Docs,
    private readonly changed: (docs: Docs) => void,
    private readonly announce: (message: string) => void,
  ) {
    this.draw();
  }

  get docs(): Docs {
    return this.current;
  }

  add(title = '', text = ''): void {
    this.take(addDocument(this.current, title, text));
  }

  focusLast(): void {
    this.list.lastElementChild?.querySelector('input')?.focus();
  }

  private take(docs: Docs): void {
    this.current = docs;
    this.draw();
    this.changed(docs);
  }

  private draw(): void {
    this.list.replaceChildren(...this.current.map((doc, at) => this.box(doc, at)));
  }

  private box(doc: Doc, at: number): HTMLLIElement {
    const name = `document ${at + 1}`;
    const title = element('input', {type: 'text', placeholder: 'Title', 'aria-label': `Title of ${name}`});
    title.value = doc.title;
    title.addEventListener('input', () => this.edit(doc.id, {title: title.value}));
    const text = element('textarea', {rows: '4', placeholder: 'Text', 'aria-label': `Text of ${name}`});
    text.value = doc.text;
    text.addEventListener('input', () => this.edit(doc.id, {text: text.value}));
    const up = button('↑', `Move ${name} up`, () => this.move(doc.id, -1, '.up'));
    const down = button('↓', `Move ${name} down`, () => this.move(doc.id, 1, '.down'));
    const remove = button('×', `Remove ${name}`, () => this.remove(doc.id, at));
    up.classList.add('up');
    down.classList.add('down');
    remove.classList.add('remove');
    up.disabled = at === 0;
    down.disabled = at + 1 === this.current.length;
    const head = element('div', {class: 'document-head'}, this.handle(doc.id, name), title, up, down, remove);
    return element('li', {class: 'document', 'data-id': String(doc.id)}, head, text);
  }

  private edit(id: number, change: Partial<Omit<Doc, 'id'>>): void {
    this.current = editDocument(this.current, id, change);
    this.changed(this.current);
  }

  private move(id: number, by: number, focus: string): void {
    this.take(moveDocument(this.current, id, by));
    this.focusIn(id, focus);
    this.announcePlace(id);
  }

  private remove(id: number, at: number): void {
    this.take(removeDocument(this.current, id));
    const neighbour = this.current[Math.min(at, this.current.length - 1)];
    if (neighbour) this.focusIn(neighbour.id, '.remove');
    this.announce(`Document removed, ${this.current.length} left`);
  }

  private focusIn(id: number, what: string): void {
    const box = this.list.querySelector(`[data-id="${id}"]`);
    const target = box?.querySelector<HTMLButtonElement>(what);
    (target?.disabled ? box?.querySelector<HTMLButtonElement>('.handle') : target)?.focus();
  }

  private announcePlace(id: number): void {
    const at = this.current.findIndex((doc) => doc.id === id);
    this.announce(`Document ${at + 1} of ${this.current.length}`);
  }

  private handle(id: number, name: string): HTMLButtonElement {
    const handle = button('⠿', `Drag ${name}, or move it with the arrow keys`, () => undefined);
    handle.classList.add('handle');
    handle.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
      event.preventDefault();
      this.move(id, event.key === 'ArrowUp' ? -1 : 1, '.handle');
    });
    handle.addEventListener('pointerdown', (event) => {
      if (event.button === 0) this.drag(id, handle, event.pointerId);
    });
    return handle;
  }

  // Boxes make room while the pointer moves; the order counts when it is lifted.
  private drag(id: number, handle: HTMLButtonElement, pointer: number): void {
    const box = handle.closest('li');
    if (!box) return;
    const listening = new AbortController();
    const options = {signal: listening.signal};
    const end = (keep: boolean): void => {
      listening.abort();
      box.classList.remove('dragging');
      if (!keep) return this.draw();
      const ids = [...this.list.children].map((child) => Number((child as HTMLElement).dataset['id']));
      this.take(orderDocuments(this.current, ids));
      this.focusIn(id, '.handle');
      this.announcePlace(id);
    };
    handle.setPointerCapture(pointer);
    box.classList.add('dragging');
    handle.addEventListener('pointermove', (event) => makeRoom(this.list, box, event.clientY), options);
    handle.addEventListener('pointerup', () => end(true), options);
    handle.addEventListener('pointercancel', () => end(false), options);
    handle.addEventListener('lostpointercapture', () => end(false), options);
  }
}

// Others are moved around `box`, which stays in the document: else it would lose the pointer.
function makeRoom(list: HTMLElement, box: HTMLElement, y: number): void {
  const middle = (each: Element): number => {
    const {top, height} = each.getBoundingClientRect();
    return top + height / 2;
  };
  for (let above = box.previousElementSibling; above && y < middle(above); ) {
    list.insertBefore(above, box.nextElementSibling);
    above = box.previousElementSibling;
  }
  for (let below = box.nextElementSibling; below && y > middle(below); ) {
    list.insertBefore(below, box);
    below = box.nextElementSibling;
  }
}
