// The time line of a video: marks of its hits, the similarity to a text, the playing second.

import { h, s } from "./dom.js";
import { clock, spanText } from "./format.js";

/** `film` is the video element; `onSeek` is called with the second that was clicked. */
export function timeline(film, { duration, onSeek }) {
  const head = h("span", { class: "head" });
  const curve = s("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  const marks = h("div", { role: "group", "aria-label": "Hits in this video" });
  const line = h("div", { class: "timeline" }, curve, marks, head);
  const element = h("div", {}, line, h("div", { class: "timeline-scale", "aria-hidden": "true" },
    h("span", {}, "0:00"), h("span", {}, clock(duration / 2)), h("span", {}, clock(duration))));
  const percent = (seconds) => `${(100 * Math.min(1, Math.max(0, seconds / (duration || 1)))).toFixed(3)}%`;
  const draw = () => head.style.setProperty("left", percent(film.currentTime));
  film.addEventListener("timeupdate", draw);
  film.addEventListener("seeked", draw);
  line.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".mark")) return;
    const box = line.getBoundingClientRect();
    onSeek(duration * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  });
  return {
    element,
    setMarks(hits, current, onMark) {
      marks.replaceChildren(...hits.map((hit) => h("button", { type: "button", class: "mark",
        "aria-label": `Hit ${spanText(hit.start_seconds, hit.end_seconds)}`, title: spanText(hit.start_seconds, hit.end_seconds),
        "aria-current": hit === current ? "true" : null,
        style: { left: percent(hit.start_seconds), width: percent(hit.end_seconds - hit.start_seconds) },
        onclick: () => onMark(hit) })));
    },
    setCurve(points) {
      if (points.length < 2) { curve.replaceChildren(); return; }
      const scores = points.map((point) => point.score);
      const [low, high] = [Math.min(...scores), Math.max(...scores)];
      const y = (score) => 100 - 8 - 84 * ((score - low) / (high - low || 1));
      const x = (seconds) => 1000 * (seconds / (duration || 1));
      const path = points.map((point) => `L${x(point.start_seconds).toFixed(1)} ${y(point.score).toFixed(1)} L${x(point.end_seconds).toFixed(1)} ${y(point.score).toFixed(1)}`).join(" ");
      curve.replaceChildren(s("path", { class: "curve", d: `M0 100 ${path} L1000 100 Z` }));
    },
  };
}
