// The page of one video.

import { get, post } from "./api.js";
import { $, emptyState, h, icon, iconButton, isTyping } from "./dom.js";
import { clock, dateText, folderOf, sizeText, spanText } from "./format.js";
import { card, moveByKeys } from "./grid.js";
import { toggle } from "./basket.js";
import { askForm } from "./captions.js";
import { whereItLooks } from "./explain.js";
import { openPlayer, playOrPreview } from "./player.js";
import { pairPlayer, segmentOf } from "./pair.js";
import { mountShell } from "./shell.js";
import { timeline } from "./timeline.js";
import { labelChips, showNext, sidePanel } from "./understanding.js";

const MARK_HITS = 50;
const page = $("#video");
const id = Number(page.dataset.id);
const query = new URLSearchParams(location.search);

async function main() {
  let video;
  try { video = await get(`/videos/${id}`); } catch (error) {
    page.append(emptyState("film", "No such video", error.message, h("a", { class: "primary", href: "/" }, "Back to the search")));
    return;
  }
  document.title = `${video.title} - vidseek`;
  const start = Number(query.get("t")) || 0;
  const film = h("video", { controls: true, playsinline: true, preload: "metadata", src: `${video.media_url}#t=${start}`, "aria-label": video.title });
  const note = h("span", { class: "stage-note", hidden: true }, "Preview: this browser cannot play the file");
  playOrPreview(film, id, start, video.duration_seconds, () => { note.hidden = false; });
  const line = timeline(film, { duration: video.duration_seconds, onSeek: (seconds) => { film.currentTime = seconds; } });
  const words = h("input", { type: "search", maxlength: "4000", placeholder: "Find in this video", "aria-label": "Find in this video", value: query.get("q") ?? "" });
  const found = h("p", { class: "muted", role: "status" });
  const form = h("form", { class: "inline-form", role: "search" }, words, h("button", { class: "secondary" }, "Find"));
  const looks = whereItLooks(() => {
    const text = words.value.trim();
    if (!text) { words.focus(); found.textContent = "Say what to look for."; return null; }
    film.pause();
    return { video_id: id, title: video.title, text, when: clock(film.currentTime), place: { at: film.currentTime.toFixed(3) } };
  });
  form.append(looks.button);
  const clips = h("ol", { class: "clip-list" });
  const similar = h("div", { class: "grid" }, Array.from({ length: 4 }, () => h("div", { class: "skeleton" })));
  const copies = h("section", { id: "copies" });
  const next = h("div", { class: "grid" }, Array.from({ length: 4 }, () => h("div", { class: "skeleton" })));
  $("#fallback-title").remove();
  page.append(
    h("div", { class: "page-head" }, h("div", {}, h("h1", {}, video.title), h("p", { class: "lead" }, folderOf(video.path))),
      h("div", { class: "facts" }, [clock(video.duration_seconds), `${video.width} × ${video.height}`, `${video.frame_rate} fps`, video.codec,
        sizeText(video.size_bytes), dateText(video.modified), video.has_sound === false ? "no sound" : null, video.damaged ? "damaged" : null].filter(Boolean).map((each) => h("span", {}, each)))),
    h("div", { class: "watch" },
      h("div", {}, h("div", { class: "stage" }, film, note), line.element, labelChips(video), form, found, looks.panel, askForm(id, (seconds) => { film.currentTime = seconds; film.pause(); })),
      sidePanel(film, id, clips)),
    copies,
    h("section", { id: "next" }, h("div", { class: "section-title" }, h("h2", {}, "Watch next")), next),
    h("section", {}, h("div", { class: "section-title" }, h("h2", {}, "Similar videos")), similar));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const address = new URL(location);
    if (words.value.trim()) address.searchParams.set("q", words.value.trim()); else address.searchParams.delete("q");
    history.replaceState(null, "", address);
    find();
  });
  film.addEventListener("play", looks.hide);
  film.addEventListener("seeking", looks.hide);
  async function find() {
    looks.hide();
    const text = words.value.trim();
    if (!text) { line.setCurve([]); line.setMarks([], null, () => {}); found.textContent = ""; return; }
    const where = /[*?[\]]/.test(video.path) ? {} : { path_glob: video.path };
    const [curve, answer] = await Promise.all([
      get(`/videos/${id}/similarity?text=${encodeURIComponent(text)}`), post("/search", { text, k: MARK_HITS, where })]);
    line.setCurve(curve.points);
    const hits = answer.hits.filter((hit) => hit.video_id === id && (hit.confidence === null || hit.confidence >= 0.3));
    line.setMarks(hits, null, (hit) => { film.currentTime = hit.start_seconds; film.play().catch(() => {}); });
    found.textContent = hits.length ? "" : "No moment of this video clearly shows that. The curve shows where it comes closest.";
  }
  addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.target.closest("dialog")) return;
    if (event.key.toLowerCase() === "w") { looks.toggle(); return; }
    if (event.key !== " " || event.target.closest("button, a, video")) return;
    event.preventDefault();
    if (film.paused) film.play().catch(() => {}); else film.pause();
  });
  await Promise.all([find(), showClips(clips, film, video), showCopies(copies, video), showSimilar(similar), showNext(next, id)]);
  if (location.hash === "#copies") copies.scrollIntoView();
}

async function showClips(list, film, video) {
  let cursor = null;
  do {
    const answer = await get(`/videos/${id}/clips?limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    list.append(...answer.clips.map((clip) => {
      const moment = { video_id: id, path: video.path, duration_seconds: video.duration_seconds, thumbnail_url: clip.thumbnail_url,
        start_seconds: clip.start_seconds, end_seconds: clip.end_seconds };
      const go = h("button", { type: "button", data: { start: clip.start_seconds, end: clip.end_seconds },
        onclick: () => { film.currentTime = clip.start_seconds; film.play().catch(() => {}); } },
      clip.thumbnail_url ? h("img", { src: clip.thumbnail_url, alt: "", loading: "lazy" }) : icon("film"),
      h("span", { class: "number" }, spanText(clip.start_seconds, clip.end_seconds)));
      return h("li", { class: "row clip-row" }, go, iconButton("add", `Add ${spanText(clip.start_seconds, clip.end_seconds)} to the basket`, () => toggle(moment)));
    }));
    cursor = answer.next_cursor;
  } while (cursor);
  film.addEventListener("timeupdate", () => list.querySelectorAll("button[data-start]").forEach((each) => {
    const playing = film.currentTime >= Number(each.dataset.start) && film.currentTime < Number(each.dataset.end);
    if (playing) each.setAttribute("aria-current", "true"); else each.removeAttribute("aria-current");
  }));
}

async function showCopies(section, video) {
  const { copies } = await get(`/videos/${id}/copies`);
  section.append(h("div", { class: "section-title" }, h("h2", {}, "Copies"),
    copies.length === 0 && h("span", { class: "muted" }, "No other video in the library shares a stretch with this one.")));
  for (const copy of copies.slice(0, 10)) {
    const caption = (each) => h("strong", {}, h("a", { href: `/video/${each.id}`, title: each.path }, each.title), h("span", { class: "badge" }, clock(each.duration_seconds)));
    section.append(h("div", { class: "panel" }, pairPlayer({
      left: { src: video.media_url, duration: video.duration_seconds, videoId: id, label: video.title, caption: caption(video) },
      right: { src: copy.video.media_url, duration: copy.video.duration_seconds, videoId: copy.video.id, label: copy.video.title, caption: caption(copy.video) },
      segments: copy.segments.map((each) => segmentOf(each, id)) })));
  }
}

async function showSimilar(grid) {
  try {
    const answer = await post("/similar", { video_id: id, k: 13, per_video: 1 });
    const hits = answer.hits.filter((hit) => hit.video_id !== id).slice(0, 12);
    const like = (hit) => location.assign(`/?like=${hit.video_id},${hit.start_seconds},${hit.end_seconds}`);
    const open = (hit) => openPlayer(hit, { hits, text: null, like, siblings: async (each) => [each] });
    grid.replaceChildren(...hits.map((hit) => card(hit, { open, like })));
    const first = $(".picture", grid);
    if (first) first.tabIndex = 0;
    moveByKeys(grid);
    if (hits.length === 0) grid.replaceWith(h("p", { class: "muted" }, "Nothing in the library looks like this video."));
  } catch (error) { grid.replaceWith(h("p", { class: "muted" }, error.message)); }
}

mountShell();
main().catch((error) => page.append(h("p", { class: "alert", role: "alert" }, error.message)));
