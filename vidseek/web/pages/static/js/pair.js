// Two videos side by side, playing together over the stretches that they share.

import { h, icon, s } from "./dom.js";
import { clock, spanText } from "./format.js";
import { playOrPreview } from "./player.js";

const MAX_DRIFT_SECONDS = 0.12;

/**
 * `left` and `right` have `src`, `duration`, `caption` (an element) and, for a library video,
 * `videoId`. A segment has `left: [start, end]`, `right: [start, end]`, `isBackwards`, `mirrored`.
 */
export function pairPlayer({ left, right, segments, tools = [] }) {
  const films = [left, right].map((side, index) => {
    const film = h("video", { controls: true, playsinline: true, preload: "metadata", muted: index === 1,
      src: `${side.src}${side.src.startsWith("blob:") ? "" : `#t=${segments[0] ? segments[0][index ? "right" : "left"][0] : 0}`}`,
      "aria-label": side.label });
    if (side.videoId) playOrPreview(film, side.videoId, 0, side.duration);
    return film;
  });
  let current = segments[0] ?? { left: [0, left.duration], right: [0, right.duration], isBackwards: false };
  const ratio = () => (current.right[1] - current.right[0]) / Math.max(0.01, current.left[1] - current.left[0]);
  const counterpart = (seconds) => {
    const into = (seconds - current.left[0]) * ratio();
    return Math.min(right.duration, Math.max(0, current.isBackwards ? current.right[1] - into : current.right[0] + into));
  };
  const where = h("span", { class: "muted number" });
  const { element: map, setHead } = matchMap(left.duration, right.duration, segments, (segment) => pick(segment));

  function pick(segment) {
    current = segment;
    films[0].currentTime = segment.left[0];
    films[1].currentTime = segment.isBackwards ? segment.right[1] : segment.right[0];
    describe();
  }
  function describe() {
    const facts = [`${spanText(...current.left)} matches ${spanText(...current.right)}`];
    if (Math.abs(ratio() - 1) > 0.02) facts.push(`${ratio().toFixed(2)}× speed`);
    if (current.mirrored) facts.push("mirrored");
    if (current.isBackwards) facts.push("backwards");
    where.textContent = facts.join(" · ");
  }
  const sync = () => {
    setHead(films[0].currentTime, films[1].currentTime);
    if (films[0].paused || films[0].ended) return;
    if (films[0].currentTime >= current.left[1]) { stop(); return; }
    const wanted = counterpart(films[0].currentTime);
    if (current.isBackwards || Math.abs(films[1].currentTime - wanted) > MAX_DRIFT_SECONDS) films[1].currentTime = wanted;
  };
  films[0].addEventListener("timeupdate", sync);
  films[0].addEventListener("seeked", () => { if (films[0].paused) { films[1].currentTime = counterpart(films[0].currentTime); setHead(films[0].currentTime, films[1].currentTime); } });

  const play = h("button", { type: "button", class: "primary play-both" });
  const label = (playing) => play.replaceChildren(icon(playing ? "pause" : "play"), playing ? "Pause" : "Play together");
  const stop = () => films.forEach((film) => film.pause());
  play.addEventListener("click", () => {
    if (!films[0].paused) { stop(); return; }
    const at = films[0].currentTime;
    if (at < current.left[0] || at >= current.left[1] - 0.05) pick(current);
    else films[1].currentTime = counterpart(at);
    films[1].playbackRate = Math.min(4, Math.max(0.25, ratio()));
    films[0].play().catch(() => {});
    if (!current.isBackwards) films[1].play().catch(() => {});
  });
  films[0].addEventListener("play", () => label(true));
  films[0].addEventListener("pause", () => { label(false); films[1].pause(); });
  label(false);
  describe();
  return h("div", {},
    h("div", { class: "pair" }, [left, right].map((side, index) => h("figure", {},
      h("div", { class: "stage" }, films[index]), h("figcaption", {}, side.caption)))),
    map, h("div", { class: "pair-tools" }, play, segments.length > 0 && where, h("span", { class: "push" }), ...tools));
}

/** The two films as bars, and a ribbon for each stretch that they share. */
function matchMap(leftSeconds, rightSeconds, segments, onPick) {
  const longest = Math.max(leftSeconds, rightSeconds, 0.1);
  const x = (seconds) => (1000 * seconds) / longest;
  const heads = [s("line", { class: "head", y1: "0", y2: "26" }), s("line", { class: "head", y1: "74", y2: "100" })];
  const drawing = s("svg", { class: "match-map", viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img",
    "aria-label": `${segments.length} shared stretches: ${segments.slice(0, 5).map((each) => `${clock(each.left[0])} matches ${clock(each.right[0])}`).join(", ")}` },
  s("rect", { class: "film", x: "0", y: "2", width: String(x(leftSeconds)), height: "22", rx: "4" }),
  s("rect", { class: "film", x: "0", y: "76", width: String(x(rightSeconds)), height: "22", rx: "4" }));
  for (const segment of segments) {
    const [a0, a1] = segment.left.map(x);
    const [b0, b1] = segment.isBackwards ? [...segment.right].reverse().map(x) : segment.right.map(x);
    const onclick = () => onPick(segment);
    drawing.append(
      s("path", { class: "ribbon", d: `M${a0} 24 L${a1} 24 L${b1} 76 L${b0} 76 Z`, onclick }),
      s("rect", { class: "shared", x: String(a0), y: "2", width: String(Math.max(3, a1 - a0)), height: "22", rx: "4", onclick }),
      s("rect", { class: "shared", x: String(Math.min(b0, b1)), y: "76", width: String(Math.max(3, Math.abs(b1 - b0))), height: "22", rx: "4", onclick }));
  }
  drawing.append(...heads);
  const setHead = (a, b) => [a, b].forEach((seconds, index) => { for (const end of ["x1", "x2"]) heads[index].setAttribute(end, String(x(seconds))); });
  setHead(0, 0);
  return { element: drawing, setHead };
}

/** A shared segment of the API as a segment of the pair `leftId`, another video. */
export function segmentOf(shared, leftId) {
  const own = [shared.start_seconds, shared.end_seconds];
  const other = [shared.other_start_seconds, shared.other_end_seconds];
  return { left: shared.video_id === leftId ? own : other, right: shared.video_id === leftId ? other : own,
    isBackwards: shared.speed < 0, mirrored: shared.mirrored };
}
