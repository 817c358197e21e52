// What a video shows: its labels, its summary, its unusual moments, and what to watch next.

import { get, post } from "./api.js";
import { showCaptions } from "./captions.js";
import { h, icon } from "./dom.js";
import { clock, spanText, titleOf } from "./format.js";

const FRAMES = 12;
const MOMENTS = 10;
const UNUSUAL = 3;

const go = (film, seconds) => { film.currentTime = seconds; film.play().catch(() => {}); };

/** The panel beside a video, with a tab each for its clips, its summary, its unusual moments and its captions. */
export function sidePanel(film, id, clips) {
  const views = [
    { name: "Clips", element: clips, load: null },
    { name: "Summary", element: h("ol", { class: "clip-list", id: "summary" }), load: (list) => showSummary(list, film, id) },
    { name: "Unusual", element: h("ol", { class: "clip-list", id: "unusual" }), load: (list) => showUnusual(list, film, id) },
    { name: "Captions", element: h("ol", { class: "clip-list", id: "captions" }), load: (list) => showCaptions(list, id, { row, go: (seconds) => go(film, seconds) }) },
  ];
  const status = h("p", { class: "muted", role: "status" });
  const buttons = views.map((view) => h("button", { type: "button", "aria-pressed": "false", onclick: () => show(view) }, view.name));
  async function show(view) {
    for (const [place, each] of views.entries()) {
      each.element.hidden = each !== view;
      buttons[place].setAttribute("aria-pressed", String(each === view));
    }
    status.textContent = "";
    if (!view.load) return;
    status.textContent = "Looking at the video…";
    const load = view.load;
    view.load = null;
    let said;
    try { said = await load(view.element); } catch (error) { said = error.message; view.load = load; }
    if (!view.element.hidden) status.textContent = said;
  }
  show(views[0]);
  return h("aside", { class: "panel", tabindex: "0", "aria-label": "Parts of the video" },
    h("h2", { class: "visually-hidden" }, "Parts of the video"), h("div", { class: "segments", role: "group", "aria-label": "Show" }, buttons),
    status, views.map((view) => view.element));
}

function row(picture, title, detail, onclick) {
  return h("li", { class: "row clip-row" }, h("button", { type: "button", onclick },
    picture ? h("img", { src: picture, alt: "", loading: "lazy" }) : icon("film"),
    h("span", {}, h("span", { class: "number" }, title), detail && h("span", { class: "muted" }, ` ${detail}`))));
}

async function showSummary(list, film, id) {
  const { frames } = await get(`/videos/${id}/summary?frames=${FRAMES}`);
  list.replaceChildren(...frames.map((frame) => row(frame.thumbnail_url, clock(frame.seconds, { tenths: true }), null, () => go(film, frame.seconds))));
  return frames.length ? "" : "There is nothing to summarise: every frame is blank.";
}

async function showUnusual(list, film, id) {
  const { outliers } = await get(`/videos/${id}/outliers?k=${MOMENTS}`);
  const found = outliers.filter((each) => each.score >= UNUSUAL).sort((a, b) => b.score - a.score);
  list.replaceChildren(...found.map((each) => {
    const near = each.nearest;
    const reason = near ? `most like ${spanText(near.start_seconds, near.end_seconds)}${near.video_id === id ? "" : ` of ${titleOf(near.path)}`}` : "";
    return row(each.thumbnail_url, spanText(each.start_seconds, each.end_seconds), reason, () => go(film, each.start_seconds));
  }));
  return found.length ? "" : "No moment is unlike the rest of this video.";
}

/** The learned labels of a video as chips, and on request what else it shows. */
export function labelChips(video) {
  const whole = `${video.id},0,${video.duration_seconds}`;
  const learned = video.labels.map((label) => h("a", { class: "chip", href: `/?like=${whole}&label=${encodeURIComponent(label)}`, title: "Find others with this label" }, label));
  const status = h("span", { class: "muted", role: "status" });
  const more = h("button", { type: "button", class: "chip", onclick: classify }, "What does it show?");
  const chips = h("div", { class: "tools label-chips", role: "group", "aria-label": "Labels" }, learned, more, status);
  async function classify() {
    more.disabled = true;
    status.textContent = "Comparing labels…";
    try {
      const { moments } = await post("/classify", { videos: [{ video_id: video.id }], label_set: "everyday" });
      const labels = moments.flatMap((moment) => moment.labels).filter((each) => each.label !== "none of these");
      more.before(...labels.map((each) => h("a", { class: "chip", href: `/?q=${encodeURIComponent(each.label)}` }, `${each.label} ${Math.round(100 * each.confidence)} %`)));
      status.textContent = labels.length ? "" : "No label fits well.";
      more.remove();
    } catch (error) { status.textContent = error.message; more.disabled = false; }
  }
  return chips;
}

/** Recommended videos, each with the part of this video that it is like. */
export async function showNext(grid, id) {
  try {
    const { videos } = await post("/related", { liked: [{ video_id: id }], k: 8 });
    const pictures = await Promise.all(videos.map((each) => thumbnailOf(each)));
    grid.replaceChildren(...videos.map((each, place) => {
      const { start_seconds: start, end_seconds: end } = each.because;
      return h("article", {}, h("a", { class: "picture", href: `/video/${each.video_id}?t=${each.start_seconds}`, "aria-label": each.title },
        pictures[place] ? h("img", { src: pictures[place], alt: "", loading: "lazy" }) : icon("film", "blank"),
        h("span", { class: "time" }, clock(each.start_seconds))),
      h("div", { class: "card-text" }, h("span", { class: "card-title", title: each.path }, each.title), h("span", { class: "card-sure" }, `like ${spanText(start, end)}`)));
    }));
    if (videos.length === 0) grid.replaceWith(h("p", { class: "muted" }, "The library has no other video."));
  } catch (error) { grid.replaceWith(h("p", { class: "muted" }, error.message)); }
}

async function thumbnailOf(part) {
  const page = await get(`/videos/${part.video_id}/clips?limit=500`).catch(() => ({ clips: [] }));
  const near = page.clips.find((clip) => clip.thumbnail_url && clip.end_seconds > part.start_seconds);
  return near?.thumbnail_url ?? null;
}
