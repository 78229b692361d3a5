// SPDX-License-Identifier: Apache-2.0
// The tokens of a prompt by kind, as a bar whose parts are named and counted below it.

import type {TokenKinds} from './answer';
import {element} from './elements';
import {formatCount} from './numbers';

export const kindNames: readonly {kind: keyof TokenKinds; name: string; meaning: string}[] = [
  {kind: 'exact', name: 'exact', meaning: 'at hand as dense attention computes them'},
  {kind: 'adopted', name: 'adopted', meaning: 'taken from documents that were computed before'},
  {kind: 'recovered', name: 'recovered', meaning: 'taken from documents, computed again in place'},
  {kind: 'new', name: 'new', meaning: 'computed for this question'},
];

export function describeKinds(kinds: TokenKinds): string {
  return kindNames.map(({kind, name}) => `${formatCount(kinds[kind])} ${name}`).join(', ');
}

export function tokenBar(kinds: TokenKinds): HTMLElement {
  const label = `Tokens of the prompt: ${describeKinds(kinds)}`;
  const bar = element('div', {class: 'bar', role: 'img', 'aria-label': label});
  const legend = element('ul', {class: 'legend'});
  for (const {kind, name, meaning} of kindNames) {
    const part = element('span', {class: `part ${kind}`, title: `${kinds[kind]} ${name}: ${meaning}`});
    part.style.flexGrow = String(kinds[kind]);
    if (kinds[kind] > 0) bar.append(part);
    legend.append(
      element(
        'li',
        {title: meaning, 'data-kind': kind},
        element('span', {class: `swatch ${kind}`, 'aria-hidden': 'true'}),
        `${name} ${formatCount(kinds[kind])}`,
      ),
    );
  }
  return element('div', {class: 'tokens'}, bar, legend);
}
