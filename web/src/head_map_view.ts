// SPDX-License-Identifier: Apache-2.0
// The grid of heads: layers across, KV heads down. One cell at a time takes the focus; arrow keys
// lead to the others.

import {element} from './elements';
import {describeHead, markSide, sharedPart, step, sumByClass} from './head_map';
import {formatBytes, formatCount, plural} from './numbers';
import type {Head, Pool, Status} from './status';

interface Cell {
  readonly cell: HTMLElement;
  readonly mark: HTMLElement;
  readonly shared: HTMLElement;
}

export interface MapParts {
  readonly grid: HTMLElement;
  readonly sentence: HTMLElement;
  readonly legend: HTMLElement;
  readonly pools: HTMLElement;
}

export class HeadMapView {
  private cells: Cell[] = []; // layer by layer
  private heads: readonly Head[] = [];
  private layers = 0;
  private kvHeads = 0;
  private chosen = 0;

  constructor(private readonly parts: MapParts) {
    parts.grid.addEventListener('keydown', (event) => this.press(event));
  }

  show(status: Status): void {
    if (status.layers !== this.layers || status.kvHeads !== this.kvHeads) this.build(status);
    this.heads = status.heads;
    const largest = Math.max(...status.heads.map((head) => head.bytes), 0);
    status.heads.forEach((head, at) => this.draw(head, at, largest));
    this.parts.legend.replaceChildren(...legend(status.heads));
    this.parts.pools.replaceChildren(...status.pools.map(poolLine));
    if (this.parts.sentence.dataset['at']) this.tell(Number(this.parts.sentence.dataset['at']));
  }

  private build(status: Status): void {
    this.layers = status.layers;
    this.kvHeads = status.kvHeads;
    this.chosen = 0;
    this.parts.grid.classList.toggle('many', status.layers > 16);
    this.cells = status.heads.map((_, at) => this.cell(at));
    const rows: HTMLElement[] = [];
    for (let kvHead = 0; kvHead < this.kvHeads; ++kvHead) {
      const row = element('div', {role: 'row', class: 'map-row'});
      for (let layer = 0; layer < this.layers; ++layer) {
        const cell = this.cells[layer * this.kvHeads + kvHead]?.cell;
        if (cell) row.append(cell);
      }
      rows.push(row);
    }
    this.parts.grid.replaceChildren(...rows);
  }

  private cell(at: number): Cell {
    const mark = element('span', {class: 'mark'});
    const shared = element('span', {class: 'shared'});
    const cell = element('div', {role: 'gridcell', tabindex: at === 0 ? '0' : '-1'}, mark, shared);
    cell.addEventListener('pointerenter', () => this.tell(at));
    cell.addEventListener('focus', () => this.choose(at));
    return {cell, mark, shared};
  }

  private draw(head: Head, at: number, largest: number): void {
    const parts = this.cells[at];
    if (!parts) return;
    const {cell, mark, shared} = parts;
    cell.className = `cell ${head.class}${head.recovers ? ' recovers' : ''}`;
    cell.setAttribute('aria-label', describeHead(head));
    const side = markSide(head.bytes, largest);
    mark.style.setProperty('--side', side.toFixed(3));
    mark.style.opacity = String(0.55 + 0.45 * side);
    shared.style.setProperty('--part', sharedPart(head).toFixed(3));
  }

  private tell(at: number): void {
    const head = this.heads[at];
    if (!head) return;
    this.parts.sentence.dataset['at'] = String(at);
    const sentence = describeHead(head);
    if (this.parts.sentence.textContent !== sentence) this.parts.sentence.textContent = sentence;
  }

  private choose(at: number): void {
    this.cells[this.chosen]?.cell.setAttribute('tabindex', '-1');
    this.cells[at]?.cell.setAttribute('tabindex', '0');
    this.chosen = at;
    this.tell(at);
  }

  private press(event: KeyboardEvent): void {
    const column = Math.floor(this.chosen / this.kvHeads);
    const to = step(event.key, column, this.chosen % this.kvHeads, this.layers, this.kvHeads);
    if (!to) return;
    event.preventDefault();
    this.cells[to.column * this.kvHeads + to.row]?.cell.focus();
  }
}

function legend(heads: readonly Head[]): HTMLElement[] {
  const classes = sumByClass(heads).map((sum) =>
    element(
      'li',
      {'data-class': sum.class},
      element('span', {class: `key ${sum.class}`, 'aria-hidden': 'true'}, element('span', {class: 'mark'})),
      `${sum.class}: ${plural(sum.heads, 'head')}, ${formatBytes(sum.bytes)}`,
    ),
  );
  const key = (name: string): HTMLElement =>
    element('span', {class: `key ${name}`, 'aria-hidden': 'true'}, element('span', {class: 'shared'}));
  return [
    ...classes,
    element('li', {}, key('recovers'), 'recovered in reused documents'),
    element('li', {}, key('is-shared'), 'share of its bytes that several prompts use'),
  ];
}

function poolLine(pool: Pool): HTMLElement {
  const used = pool.totalPages - pool.freePages;
  const meter = element('progress', {max: String(Math.max(pool.totalPages, 1)), value: String(used)});
  meter.setAttribute('aria-label', `Pages of ${pool.dtype} in use`);
  const text =
    `${pool.dtype}: ${formatCount(used)} of ${plural(pool.totalPages, 'page')} in use, ` +
    `${formatBytes(used * pool.pageBytes)} of ${formatBytes(pool.totalPages * pool.pageBytes)}`;
  return element('p', {class: 'pool'}, meter, text);
}
