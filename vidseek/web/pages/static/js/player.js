// The player: a moment in its video, with the other hits of the video on the time line.

import { get, previewUrl } from "./api.js";
import { isKept, toggle } from "./basket.js";
import { $, h, icon, iconButton, isTyping, notify } from "./dom.js";
import { spanText, sureness, titleOf } from "./format.js";
import { timeline } from "./timeline.js";
import { aboutHit, whereItLooks } from "./explain.js";

/** Use the preview where the browser cannot play the file. */
export function playOrPreview(film, videoId, start, end, onFallback = () => {}) {
  film.addEventListener("error", () => {
    if (film.dataset.source === "preview") return;
    film.dataset.source = "preview";
    film.src = previewUrl(videoId, start, end);
    onFallback();
  });
}

/** Open `hit`; `context` has `hits` in order, `text` or null, `siblings(hit)`, `like(hit)` and, in a search by words, `unlike(hit)`. */
export function openPlayer(hit, context) {
  const dialog = h("dialog", { class: "player", "aria-labelledby": "player-title" });
  document.body.append(dialog);
  const opener = document.activeElement;
  let current = hit;
  dialog.addEventListener("close", () => {
    dialog.querySelector("video")?.removeAttribute("src");
    looks?.hide();
    dialog.remove();
    opener?.focus?.();
    context.onClose?.(current);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => keys(event));

  let film, inField, outField, looks;
  const step = (by) => {
    const at = context.hits.indexOf(current);
    const next = context.hits[at + by];
    if (next) show(next);
  };

  function keys(event) {
    if (isTyping(event) || event.ctrlKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    const does = { arrowleft: () => step(-1), arrowright: () => step(1), i: () => set(inField), o: () => set(outField),
      b: () => toggle(trimmed()), w: () => looks?.toggle(), m: () => { dialog.close(); context.like(current); },
      ...(context.unlike ? { n: () => { dialog.close(); context.unlike(current); } } : {}),
      " ": () => (film.paused ? film.play() : film.pause()) }[key];
    if (!does || (key === " " && event.target.closest("button, a, video"))) return;
    event.preventDefault();
    does();
  }
  const set = (field) => { field.value = film.currentTime.toFixed(2); field.dispatchEvent(new Event("change")); };
  const trimmed = () => ({ ...current, start_seconds: Number(inField.value), end_seconds: Number(outField.value) });

  function show(next) {
    current = next;
    const { words, level } = sureness(next);
    const note = h("span", { class: "stage-note", hidden: true }, "Preview: this browser cannot play the file");
    film = h("video", { controls: true, playsinline: true, preload: "metadata", src: `${next.media_url}#t=${next.start_seconds}`,
      "aria-label": titleOf(next.path) });
    playOrPreview(film, next.video_id, next.start_seconds, next.end_seconds, () => { note.hidden = false; });
    const loop = h("input", { type: "checkbox" });
    inField = h("input", { type: "number", step: "0.1", min: "0", value: next.start_seconds.toFixed(2), "aria-label": "Start, seconds" });
    outField = h("input", { type: "number", step: "0.1", min: "0", value: next.end_seconds.toFixed(2), "aria-label": "End, seconds" });
    film.addEventListener("timeupdate", () => {
      if (loop.checked && film.currentTime >= Number(outField.value)) film.currentTime = Number(inField.value);
    });
    const keep = h("button", { type: "button", class: "primary", onclick: () => { 
      const moment = trimmed();
      if (!(moment.end_seconds > moment.start_seconds)) { notify("The end must be after the start", { isBad: true }); return; }
      toggle(moment); label(); } });
    const label = () => keep.replaceChildren(icon(isKept(trimmed()) ? "done" : "add"), isKept(trimmed()) ? "In the basket" : "Add to basket");
    for (const field of [inField, outField]) field.addEventListener("change", label);
    label();
    looks?.hide();
    looks = context.text ? whereItLooks(() => aboutHit(next, context.text)) : null;
    const line = timeline(film, { duration: next.duration_seconds, onSeek: (seconds) => { film.currentTime = seconds; } });
    line.setMarks([next], next, () => {});
    dialog.replaceChildren(
      h("div", { class: "dialog-head" }, h("h2", { id: "player-title", title: next.path }, titleOf(next.path)),
        h("span", { class: "muted number" }, spanText(next.start_seconds, next.end_seconds)),
        h("span", { class: `badge ${level === "high" ? "good" : ""}` }, words),
        iconButton("left", "Previous moment (←)", () => step(-1)), iconButton("right", "Next moment (→)", () => step(1)),
        iconButton("close", "Close (Esc)", () => dialog.close())),
      h("div", { class: "player-body" },
        h("div", { class: "stage" }, film, note), line.element,
        h("div", { class: "player-tools" },
          h("div", { class: "trim" }, h("button", { type: "button", class: "secondary", title: "Start here (I)", onclick: () => set(inField) }, "Start"), inField,
            h("button", { type: "button", class: "secondary", title: "End here (O)", onclick: () => set(outField) }, "End"), outField),
          h("label", { class: "chip toggle" }, loop, h("span", {}, "Loop")),
          h("span", { class: "push" }),
          looks ? looks.button : null,
          h("button", { type: "button", class: "secondary", onclick: () => { dialog.close(); context.like(current); } }, icon("like"), "More like this"),
          context.unlike ? h("button", { type: "button", class: "secondary", onclick: () => { dialog.close(); context.unlike(current); } }, icon("unlike"), "Not this") : null,
          h("a", { class: "secondary", href: `/video/${next.video_id}?t=${next.start_seconds}${context.text ? `&q=${encodeURIComponent(context.text)}` : ""}` }, icon("film"), "Whole video"),
          keep), looks ? looks.panel : null));
    if (!dialog.open) dialog.showModal();
    film.focus();
    film.play().catch(() => {});
    enrich(next, line);
  }

  async function enrich(next, line) {
    const [siblings, curve] = await Promise.all([
      context.siblings(next).catch(() => [next]),
      context.text ? get(`/videos/${next.video_id}/similarity?text=${encodeURIComponent(context.text)}`).catch(() => null) : null,
    ]);
    if (next !== current) return;
    const marked = siblings.find((each) => each === next || Math.abs(each.start_seconds - next.start_seconds) < 0.01) ? siblings : [next, ...siblings];
    const shown = marked.map((each) => (Math.abs(each.start_seconds - next.start_seconds) < 0.01 ? next : each));
    line.setMarks(shown, next, (hit) => show(hit));
    if (curve) line.setCurve(curve.points);
  }

  show(hit);
  return { dialog, video: () => $("video", dialog) };
}
