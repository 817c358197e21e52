// The basket: moments collected across searches, kept in this browser.

import { postForFile } from "./api.js";
import { $, download, emptyState, h, iconButton, notify } from "./dom.js";
import { lengthText, many, titleOf } from "./format.js";

const KEY = "vidseek-basket";
const FORMATS = [
  ["edl", "EDL"], ["fcpxml", "Final Cut / Resolve"], ["fcp7", "Premiere"], ["otio", "OTIO"],
  ["m3u", "Playlist"], ["csv", "CSV"], ["json", "JSON"], ["html", "Contact sheet"],
];
const SUFFIXES = { edl: "edl", fcpxml: "fcpxml", fcp7: "xml", otio: "otio", m3u: "m3u8", csv: "csv", json: "json", html: "html" };

let items = read();
const listeners = new Set();

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch { return []; }
}

function save() {
  localStorage.setItem(KEY, JSON.stringify(items));
  for (const listener of listeners) listener();
}

const same = (a, b) => a.video_id === b.video_id
  && Math.abs(a.start_seconds - b.start_seconds) < 0.01 && Math.abs(a.end_seconds - b.end_seconds) < 0.01;

export const onBasket = (listener) => { listeners.add(listener); listener(); };
export const isKept = (hit) => items.some((item) => same(item, hit));

/** Put a moment into the basket, or take it out. */
export function toggle(hit) {
  if (isKept(hit)) {
    items = items.filter((item) => !same(item, hit));
    notify("Removed from the basket");
  } else {
    const { video_id, path, start_seconds, end_seconds, thumbnail_url, duration_seconds } = hit;
    items = [...items, { video_id, path, start_seconds, end_seconds, thumbnail_url, duration_seconds }];
    notify("Added to the basket");
  }
  save();
}

/** The drawer, and the button that opens it. */
export function mountBasket() {
  const button = $("#basket-open");
  if (button === null) return;
  const list = h("ol", { "aria-label": "Moments in the basket", tabindex: "0" });
  const total = h("span", { class: "muted number" });
  const title = h("input", { value: "Selection", maxlength: "200" });
  const handles = h("input", { type: "number", min: "0", max: "60", step: "0.5", value: "0" });
  const formats = h("div", { class: "formats", role: "group", "aria-label": "Export as" },
    FORMATS.map(([name, label]) => h("button", { type: "button", class: "secondary", data: { format: name },
      onclick: () => exportAs(name, title.value, Number(handles.value)) }, label)));
  const footer = h("footer", {},
    h("div", { class: "fields" }, h("label", {}, "Title", title), h("label", {}, "Handles, s", handles)),
    h("h3", {}, "Export"), formats,
    h("button", { type: "button", class: "link", onclick: () => { items = []; save(); } }, "Empty the basket"));
  const drawer = h("dialog", { class: "basket", "aria-labelledby": "basket-title",
    onclick: (event) => { if (event.target === drawer) drawer.close(); } },
  h("div", { class: "dialog-head" }, h("h2", { id: "basket-title" }, "Basket"), total,
    iconButton("close", "Close", () => drawer.close())), list, footer);
  document.body.append(drawer);
  button.addEventListener("click", () => drawer.showModal());
  addEventListener("storage", (event) => { if (event.key === KEY) { items = read(); save(); } });

  onBasket(() => {
    const count = $("#basket-count");
    count.textContent = String(items.length);
    count.hidden = items.length === 0;
    button.setAttribute("aria-label", `Basket, ${many(items.length, "moment")}`);
    total.textContent = items.length ? lengthText(items.reduce((sum, item) => sum + item.end_seconds - item.start_seconds, 0)) : "";
    footer.hidden = items.length === 0;
    list.replaceChildren(...(items.length ? items.map(row)
      : [h("li", { class: "empty" }, ...emptyState("basket", "Nothing collected yet",
        "Press + on a moment to collect it here. Then put the moments in order, trim them and export a cut list.").children)]));
  });
}

function row(item, index) {
  const put = (side, input) => {
    const value = Number(input.value);
    if (!Number.isFinite(value) || value < 0) return;
    const next = { ...item, [side]: Math.min(value, item.duration_seconds ?? value) };
    if (next.end_seconds > next.start_seconds) items = items.with(index, next);
    save();
  };
  const field = (side, label) => h("input", { type: "number", min: "0", step: "0.1", "aria-label": label,
    value: item[side].toFixed(2), onchange: (event) => put(side, event.target) });
  const move = (by) => {
    const target = index + by;
    if (target < 0 || target >= items.length) return;
    const next = [...items];
    [next[index], next[target]] = [next[target], next[index]];
    items = next;
    save();
  };
  return h("li", {},
    item.thumbnail_url ? h("img", { src: item.thumbnail_url, alt: "" }) : h("span", { class: "blank-picture" }),
    h("span", { class: "card-title", title: item.path }, titleOf(item.path)),
    h("span", { class: "moves" },
      iconButton("up", "Move up", () => move(-1)), iconButton("down", "Move down", () => move(1)),
      iconButton("close", "Remove", () => { items = items.toSpliced(index, 1); save(); })),
    h("span", { class: "trim" }, field("start_seconds", "Start, seconds"), "–", field("end_seconds", "End, seconds")));
}

async function exportAs(format, title, handles) {
  const moments = items.map(({ video_id, start_seconds, end_seconds }) => ({ video_id, start_seconds, end_seconds }));
  try {
    const name = title.trim() || "Selection";
    const blob = await postForFile("/export", { format, title: name, handles_seconds: handles || 0, moments });
    download(blob, `${name.replace(/[^\p{L}\p{N} ._-]/gu, "_")}.${SUFFIXES[format]}`);
  } catch (error) { notify(error.message, { isBad: true }); }
}

