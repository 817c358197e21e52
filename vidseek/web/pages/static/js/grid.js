// A grid of moments: cards, previews on hover, movement by keyboard.

import { previewUrl } from "./api.js";
import { isKept, onBasket, toggle } from "./basket.js";
import { h, icon, iconButton, isTyping } from "./dom.js";
import { folderOf, many, spanText, sureness, titleOf } from "./format.js";

const HOVER_MS = 160;
const MAX_PREVIEW_SECONDS = 10;
const moments = new WeakMap();

/** A card of a moment; `actions` has `open`, `like` and, in a search by words, `unlike`. */
export function card(hit, actions) {
  const { words, level, share } = sureness(hit);
  const title = titleOf(hit.path);
  const picture = h("button", { type: "button", class: "picture", tabindex: "-1",
    "aria-label": `${title}, ${spanText(hit.start_seconds, hit.end_seconds)}, ${words}`,
    onclick: () => actions.open(hit) },
  hit.thumbnail_url ? h("img", { src: hit.thumbnail_url, alt: "", loading: "lazy", decoding: "async" }) : icon("film", "blank"),
  h("span", { class: "time" }, spanText(hit.start_seconds, hit.end_seconds)));
  const keep = iconButton("add", "Add to the basket", () => toggle(hit), "keep");
  const copies = hit.copies?.length ? h("span", { class: "badge" }, `+ ${many(hit.copies.length, "copy", "copies")}`) : null;
  const element = h("article", { class: "card" }, picture,
    h("div", { class: "card-actions" },
      iconButton("like", "More like this", () => actions.like(hit), ""),
      actions.unlike ? iconButton("unlike", "Not this", () => actions.unlike(hit), "") : null,
      h("a", { href: `/video/${hit.video_id}#copies`, "aria-label": "Find copies", title: "Find copies" }, icon("duplicates")),
      keep),
    h("div", { class: "card-text" },
      h("a", { class: "card-title", href: `/video/${hit.video_id}?t=${hit.start_seconds}`, title: hit.path }, title),
      h("span", { class: `card-sure level-${level}` }, words),
      h("span", { class: "card-span" }, copies ?? folderOf(hit.path).split(/[\\/]/).pop()),
      h("span", { class: "meter", "aria-hidden": "true" }, h("i", { class: `level-${level}`, style: { width: `${Math.round(share * 100)}%` } }))));
  for (const action of element.querySelectorAll(".card-actions > *")) action.tabIndex = -1;
  moments.set(element, { hit, actions, keep });
  markKept(element);
  hover(picture, hit);
  return element;
}

function markKept(element) {
  const { hit, keep } = moments.get(element);
  const kept = isKept(hit);
  if (kept === element.classList.contains("is-kept")) return;
  element.classList.toggle("is-kept", kept);
  keep.replaceChildren(icon(kept ? "done" : "add"));
  keep.setAttribute("aria-label", kept ? "Remove from the basket" : "Add to the basket");
}

onBasket(() => document.querySelectorAll(".card").forEach((element) => { if (moments.has(element)) markKept(element); }));

function hover(picture, hit) {
  let timer = 0;
  picture.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse") timer = setTimeout(() => preview(picture, hit), HOVER_MS);
  });
  picture.addEventListener("pointerleave", () => { clearTimeout(timer); endPreview(picture); });
  picture.addEventListener("blur", () => endPreview(picture));
}

/** Play the moment on its card; from the file itself where there is no preview. */
function preview(picture, hit) {
  if (picture.querySelector("video")) return;
  const end = Math.min(hit.end_seconds, hit.start_seconds + MAX_PREVIEW_SECONDS);
  const film = h("video", { muted: true, loop: true, playsinline: true, "aria-hidden": "true", tabindex: "-1",
    src: previewUrl(hit.video_id, hit.start_seconds, Math.max(end, hit.start_seconds + 0.5)) });
  film.addEventListener("playing", () => film.classList.add("is-playing"));
  film.addEventListener("error", () => {
    if (film.dataset.source) return;
    film.dataset.source = "media";
    film.src = `${hit.media_url}#t=${hit.start_seconds},${end}`;
    film.addEventListener("timeupdate", () => { if (film.currentTime >= end) film.currentTime = hit.start_seconds; });
    film.play().catch(() => {});
  });
  picture.append(film);
  film.play().catch(() => {});
}

function endPreview(picture) {
  const film = picture.querySelector("video");
  if (film === null) return;
  film.removeAttribute("src");
  film.load();
  film.remove();
}

/** Let the arrow keys move between the cards inside `root`, and keys act on the card in focus. */
export function moveByKeys(root) {
  root.addEventListener("focusin", (event) => {
    const current = event.target.closest(".card")?.querySelector(".picture");
    if (!current) return;
    root.querySelectorAll(".picture[tabindex='0']").forEach((each) => { each.tabIndex = -1; });
    current.tabIndex = 0;
  });
  addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const cards = [...root.querySelectorAll(".card")];
    if (cards.length === 0) return;
    const at = cards.indexOf(document.activeElement?.closest?.(".card"));
    const arrows = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: "up", ArrowDown: "down" };
    if (event.key in arrows) {
      event.preventDefault();
      focusCard(at < 0 ? cards[0] : neighbour(cards, at, arrows[event.key]));
      return;
    }
    if (at < 0) return;
    const { hit, actions } = moments.get(cards[at]);
    const picture = cards[at].querySelector(".picture");
    const key = event.key.toLowerCase();
    if (key === " " && document.activeElement === picture) {
      event.preventDefault();
      if (picture.querySelector("video")) endPreview(picture); else preview(picture, hit);
    } else if (key === "b") toggle(hit);
    else if (key === "m") actions.like(hit);
    else if (key === "n") actions.unlike?.(hit);
    else if (key === "c") location.assign(`/video/${hit.video_id}#copies`);
  });
}

export function focusCard(element) {
  const picture = element?.querySelector(".picture");
  picture?.focus({ preventScroll: true });
  element?.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

/** The next card to the side, or the nearest in the row above or below. */
function neighbour(cards, at, step) {
  if (typeof step === "number") return cards[Math.min(cards.length - 1, Math.max(0, at + step))];
  const here = cards[at].getBoundingClientRect();
  const wanted = cards
    .map((element) => ({ element, box: element.getBoundingClientRect() }))
    .filter(({ box }) => (step === "up" ? box.bottom <= here.top + 1 : box.top >= here.bottom - 1));
  if (wanted.length === 0) return cards[at];
  const row = step === "up" ? Math.max(...wanted.map(({ box }) => box.top)) : Math.min(...wanted.map(({ box }) => box.top));
  const inRow = wanted.filter(({ box }) => Math.abs(box.top - row) < 2);
  return inRow.reduce((best, each) => (Math.abs(each.box.left - here.left) < Math.abs(best.box.left - here.left) ? each : best)).element;
}
