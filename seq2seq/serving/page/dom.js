/** Elements. All text goes in as text, so nothing that a model or a user wrote is ever markup. */

export const byId = (id) => document.getElementById(id);

/** An element with properties and children, which are elements or strings. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
