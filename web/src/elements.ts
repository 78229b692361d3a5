// SPDX-License-Identifier: Apache-2.0
// Elements of the document. Text is always set as text, never as HTML.

type Attributes = Record<string, string>;

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// The element of index.html with this id.
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} called ${id}`);
  return found;
}

export function button(label: string, title: string, press: () => void): HTMLButtonElement {
  const made = element('button', {type: 'button', 'aria-label': title, title}, label);
  made.addEventListener('click', press);
  return made;
}
