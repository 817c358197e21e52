// The library page: counts, folders, index runs, failures, videos.

import { eventsUrl, get, post, poster, remove } from "./api.js";
import { $, emptyState, h, icon, notify } from "./dom.js";
import { clock, dateText, lengthText, many, sizeText } from "./format.js";
import { mountShell } from "./shell.js";

const PAGE = 60;
/** Failed files have a list of their own; skipped files show no picture. */
const LISTED = ["indexed", "missing"];
const MAX_FAILED = 200;
const MAX_JOBS = 5;
const isLive = (job) => job.state === "waiting" || job.state === "running";
let health = null;
let cursor = null;
let isLoading = false;

async function showHealth() {
  health = await get("/health");
  const failed = await get(`/videos?state=failed&limit=${MAX_FAILED}`);
  $("#model").textContent = `vidseek ${health.version}${health.model ? `, model ${health.model}` : ""}${health.read_only ? ", read only" : ""}`;
  const facts = [["Videos", health.videos], ["Clips", health.clips], ["Not readable", failed.total]];
  $("#stats").replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value.toLocaleString()))));
  $("#roots").replaceChildren(...health.roots.map((folder) => h("div", { class: "root-row" }, h("code", {}, folder),
    !health.read_only && h("button", { type: "button", class: "secondary", onclick: () => index([folder]) }, icon("retry"), "Index new and changed files"))));
  if (health.roots.length === 0) $("#roots").append(emptyState("library", "No folders", "Start the server with a folder of videos: vidseek serve --root ~/Movies"));
  $("#failed-panel").hidden = failed.total === 0;
  $("#retry").hidden = health.read_only;
  $("#failed").replaceChildren(...failed.videos.map((video) => h("tr", {}, h("td", { class: "wrap" }, video.path), h("td", { class: "wrap" }, video.failure ?? ""))));
}

async function index(paths, retry = false) {
  try {
    const job = await post("/index", { paths, retry_failed: retry });
    await showJobs();
    $(`[data-job="${job.id}"]`)?.scrollIntoView({ block: "center", behavior: "smooth" });
  } catch (error) { notify(error.message, { isBad: true }); }
}
$("#retry").addEventListener("click", () => index([], true));

async function showJobs() {
  const { jobs } = await get("/jobs");
  $("#jobs-panel").hidden = jobs.length === 0;
  $("#jobs").replaceChildren(...jobs.slice(0, MAX_JOBS).map((job) => {
    const row = h("div", { class: "root-row", data: { job: job.id } });
    drawJob(row, job);
    if (isLive(job)) follow(row, job);
    return row;
  }));
}

function follow(row, job) {
  const events = new EventSource(eventsUrl(job.id));
  events.addEventListener("progress", (event) => drawJob(row, JSON.parse(event.data)));
  events.addEventListener("end", (event) => { events.close(); drawJob(row, JSON.parse(event.data)); showHealth(); reload(); });
}

function drawJob(row, job) {
  const { progress, report } = job;
  const facts = job.kind === "captions" ? ["captions"] : [];
  if (report) {
    facts.push(`${many(report.indexed, "video")} indexed`, `${report.unchanged} unchanged`, report.moved ? `${report.moved} moved` : null,
      report.failed.length ? `${report.failed.length} not readable` : null, `${lengthText(report.seconds)}`);
  } else if (progress && (isLive(job) || job.kind === "index")) {
    facts.push(progress.total ? `${progress.done} of ${progress.total} ${progress.unit}` : `${progress.done} ${progress.unit}`,
      progress.realtime_factor ? `${progress.realtime_factor}× realtime` : null,
      progress.eta_seconds === null ? null : `${lengthText(progress.eta_seconds)} left`, progress.failed ? `${progress.failed} not readable` : null);
  }
  const bar = isLive(job) ? h("progress", { max: progress?.total ?? 1, "aria-label": "Progress", ...(progress?.total ? { value: progress.done } : {}) }) : null;
  const failures = (report?.failed ?? []).slice(0, MAX_FAILED).map((each) => h("div", { class: "muted" }, `${each.path}: ${each.reason}`));
  const badge = { done: "good", failed: "bad" }[job.state] ?? "";
  row.replaceChildren(
    h("div", {}, h("div", { class: "facts" }, h("span", { class: `badge ${badge}` }, job.state), ...facts.filter(Boolean).map((each) => h("span", {}, each))),
      h("div", { class: "muted" }, progress?.current && isLive(job) ? progress.current : job.paths.join(", ")), bar ?? "", ...failures,
      job.problem ? h("p", { class: "alert" }, job.problem) : ""),
    isLive(job) && !health.read_only ? h("button", { type: "button", class: "secondary", onclick: () => remove(`/jobs/${job.id}`).catch((error) => notify(error.message, { isBad: true })) }, "Stop") : "");
}

async function loadVideos() {
  if (isLoading) return;
  isLoading = true;
  try {
    const page = await get(`/videos?order=${$("#order").value}&limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    cursor = page.next_cursor;
    $("#videos").append(...page.videos.filter((video) => LISTED.includes(video.state)).map(videoRow));
    if (page.total === 0) $("#videos").append(h("tr", {}, h("td", { colspan: "6" }, emptyState("film", "No videos yet", "Index a folder above, and its videos appear here."))));
  } finally { isLoading = false; }
}

function videoRow(video) {
  const place = h("span", { class: "blank-picture" });
  if (video.state === "indexed") poster(video.id).then((address) => { if (address) place.replaceWith(h("img", { src: address, alt: "", loading: "lazy" })); });
  return h("tr", {}, h("td", {}, h("a", { class: "video-cell", href: `/video/${video.id}`, title: video.path }, place, video.title)),
    h("td", { class: "number" }, clock(video.duration_seconds)), h("td", { class: "number is-detail" }, video.height ? `${video.width} × ${video.height}` : ""),
    h("td", { class: "number is-detail" }, sizeText(video.size_bytes)), h("td", { class: "is-detail" }, dateText(video.modified)),
    h("td", {}, h("span", { class: `badge ${video.state === "indexed" ? "good" : "bad"}` }, video.state)));
}

function reload() { cursor = null; $("#videos").replaceChildren(); return loadVideos(); }
$("#order").addEventListener("change", reload);
new IntersectionObserver((entries) => { if (entries[0].isIntersecting && cursor) loadVideos(); }, { rootMargin: "600px" }).observe($("#more"));

mountShell();
(async () => {
  try { await showHealth(); await Promise.all([showJobs(), loadVideos()]); } catch (error) { notify(error.message, { isBad: true }); }
})();
