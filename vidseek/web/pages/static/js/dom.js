// Elements from data. Text is always set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `props` are attributes, `on...` listeners, `class`, `data` and `style` values. */
export function h(name, props = {}, ...children) {
  const element = document.createElement(name);
  apply(element, props);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The same for SVG. */
export function s(name, props = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  apply(element, props);
  element.append(...children);
  return element;
}

function apply(element, props) {
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.setAttribute("class", value);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else if (key === "muted" || key === "value") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
}

export const $ = (selector, inside = document) => inside.querySelector(selector);

export function icon(name, extra = "") {
  return s("svg", { class: `icon ${extra}`, "aria-hidden": "true" }, s("use", { href: `#i-${name}` }));
}

export function iconButton(name, label, onclick, cls = "quiet") {
  return h("button", { type: "button", class: cls, "aria-label": label, title: label, onclick }, icon(name));
}

export function emptyState(name, title, text, ...actions) {
  return h("div", { class: "empty" }, icon(name), h("h2", {}, title), text && h("p", {}, text),
    actions.length > 0 && h("div", { class: "row" }, ...actions));
}

/** Say something for a moment at the foot of the page. */
export function notify(text, { isBad = false } = {}) {
  for (const old of document.querySelectorAll(".notice:not(.is-bad)")) old.remove();
  const notice = h("div", { class: `notice${isBad ? " is-bad" : ""}` }, text);
  $("#notices").append(notice);
  setTimeout(() => notice.remove(), isBad ? 7000 : 3000);
}

/** True where a key press is for a field and not for the page. */
export function isTyping(event) {
  const target = event.target;
  return target instanceof HTMLElement && (target.matches("input:not([type=checkbox]), select, textarea") || target.isContentEditable);
}

/** Offer `blob` as a file. */
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
