// The check page: a file, the verdict, and both videos side by side.

import { get, post } from "./api.js";
import { $, emptyState, h, icon } from "./dom.js";
import { clock, folderOf, many, spanText, titleOf } from "./format.js";
import { pairPlayer } from "./pair.js";
import { mountShell } from "./shell.js";

const TITLES = {
  new: "New", exact: "The same file is in the library", duplicate: "A copy", contains: "It contains a video of the library",
  contained: "It is part of a video of the library", partial: "It shares a stretch with a video of the library",
};
const zone = $("#dropzone");
const output = $("#verdict");
let current = null;
let running = null;

async function check(file) {
  if (!file) return;
  running?.abort();
  running = new AbortController();
  zone.classList.add("is-small");
  if (current) URL.revokeObjectURL(current.address);
  current = { file, address: URL.createObjectURL(file) };
  output.replaceChildren(h("br"), h("div", { class: "panel" }, h("h2", {}, `Checking ${file.name}`), h("progress", { "aria-label": "Checking" })));
  const form = new FormData();
  form.append("threshold", $("#threshold").value);
  form.append("file", file, file.name);
  try {
    const answer = await post("/check", form, { signal: running.signal });
    const videos = await Promise.all(answer.matches.slice(0, 10).map((match) => get(`/videos/${match.video_id}`)));
    show(answer, videos);
  } catch (error) {
    if (error.name === "AbortError") return;
    output.replaceChildren(h("br"), h("div", { class: "panel" }, emptyState("film", "This file cannot be checked", error.message)));
  }
}

function show(answer, videos) {
  const isNew = answer.verdict === "new";
  const name = current.file.name;
  const few = answer.compared_frames < 3 ? " Few of its frames could be compared." : "";
  output.replaceChildren(h("br"), h("div", { class: `panel verdict ${isNew ? "" : "is-copy"}` }, icon(isNew ? "done" : "duplicates"),
    h("div", {}, h("h2", {}, TITLES[answer.verdict] ?? answer.verdict),
      h("p", { class: "muted" }, isNew ? `${name} shares nothing with the videos of the library.${few}`
        : `${name} (${clock(answer.query_seconds)}) matches ${many(new Set(answer.matches.map((each) => each.video_id)).size, "video")}.`))));
  const grouped = new Map();
  for (const match of answer.matches) grouped.set(match.video_id, [...(grouped.get(match.video_id) ?? []), match]);
  for (const video of new Map(videos.map((each) => [each.id, each])).values()) output.append(matchPanel(answer, video, grouped.get(video.id)));
}

function matchPanel(answer, video, matches) {
  const best = matches[0];
  return h("section", { class: "panel", "aria-label": video.title }, pairPlayer({
    left: { src: current.address, duration: answer.query_seconds, label: current.file.name,
      caption: h("div", {}, h("strong", {}, "Your file ", h("span", { class: "badge" }, clock(answer.query_seconds))), h("div", { class: "facts" }, titleOf(current.file.name))) },
    right: { src: video.media_url, duration: video.duration_seconds, videoId: video.id, label: video.title,
      caption: h("div", {}, h("strong", {}, h("a", { href: `/video/${video.id}?t=${best.library_start_seconds}`, title: video.path }, video.title), h("span", { class: "badge bad" }, TITLES[best.kind] ?? best.kind)),
        h("div", { class: "facts" }, [spanText(best.library_start_seconds, best.library_end_seconds), `score ${best.score.toFixed(2)}`, folderOf(video.path)].map((each) => h("span", {}, each)))) },
    segments: matches.map((match) => ({ left: [match.query_start_seconds, match.query_end_seconds],
      right: [match.library_start_seconds, match.library_end_seconds], isBackwards: (match.speed ?? 1) < 0, mirrored: match.mirrored })),
  }));
}

$("#file").addEventListener("change", (event) => { check(event.target.files[0]); event.target.value = ""; });
$("#threshold").addEventListener("change", () => { if (current) check(current.file); });
addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("is-over"); });
addEventListener("dragleave", (event) => { if (event.relatedTarget === null) zone.classList.remove("is-over"); });
addEventListener("drop", (event) => { event.preventDefault(); zone.classList.remove("is-over"); check(event.dataTransfer.files[0]); });
mountShell();
