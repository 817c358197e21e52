// The duplicates page: each group side by side.

import { get, post } from "./api.js";
import { $, download, emptyState, h, notify } from "./dom.js";
import { clock, folderOf, many, sizeText } from "./format.js";
import { pairPlayer, segmentOf } from "./pair.js";
import { mountShell } from "./shell.js";

const PAGE = 10;
const KINDS = { exact: "Same file", duplicate: "Duplicate", contains: "Part of a longer video" };
const list = $("#groups");
let cursor = null;
let isLoading = false;
let total = 0;

async function load() {
  if (isLoading) return;
  isLoading = true;
  try {
    const page = await get(`/duplicates?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    total = page.total;
    list.append(...page.groups.map(groupPanel));
    cursor = page.next_cursor;
    $("#more").hidden = cursor === null;
    $("#export").hidden = total === 0;
    summary();
  } catch (error) {
    list.append(h("p", { class: "alert", role: "alert" }, error.message));
    cursor = null;
  } finally { isLoading = false; }
}

function summary() {
  if (total > 0) { $("#summary").textContent = `${many(total, "group")} of videos that are copies of each other. Nothing is deleted.`; return; }
  list.replaceChildren(emptyState("duplicates", "No duplicates", "No two videos of the library are copies of each other. New ones appear here after each index run.",
    h("a", { class: "primary", href: "/check" }, "Check a file")));
}

function groupPanel(group) {
  const keep = group.members.find((member) => member.keep) ?? group.members[0];
  const others = group.members.filter((member) => member !== keep);
  const panel = h("section", { class: "panel", "aria-label": keep.video.title });
  const stage = h("div", {});
  const tabs = h("div", { class: "members", role: "group", "aria-label": "Compare with" });
  function compare(other) {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.id === String(other.video.id)));
    const segments = group.segments
      .filter((each) => [each.video_id, each.other_id].every((id) => id === keep.video.id || id === other.video.id))
      .map((each) => segmentOf(each, keep.video.id));
    const isExact = group.kind === "exact"; // all of it is shared, also past the last sampled frame
    const whole = [{ left: [0, keep.video.duration_seconds], right: [0, other.video.duration_seconds], isBackwards: false, mirrored: false }];
    stage.replaceChildren(pairPlayer({
      left: side(keep, h("span", { class: "badge good" }, `Keep: ${group.why}`)),
      right: side(other, h("span", { class: "badge" }, `${Math.round(other.coverage * 100)} % covered`)),
      segments: isExact ? whole : segments,
      tools: [h("button", { type: "button", class: "secondary", onclick: () => dismiss(panel, group, keep, other) }, "Not a duplicate")],
    }));
  }
  tabs.append(...others.map((other) => h("button", { type: "button", class: "chip", data: { id: other.video.id }, onclick: () => compare(other) }, other.video.title)));
  tabs.hidden = others.length < 2;
  panel.append(h("div", { class: "row" }, h("h2", {}, KINDS[group.kind] ?? group.kind), h("span", { class: "muted" }, many(group.members.length, "video"))), h("br"), tabs, stage);
  compare(others[0]);
  return panel;
}

function side(member, badge) {
  const { video } = member;
  return { src: video.media_url, duration: video.duration_seconds, videoId: video.id, label: video.title,
    caption: h("div", {}, h("strong", {}, h("a", { href: `/video/${video.id}`, title: video.path }, video.title), badge),
      h("div", { class: "facts" }, [clock(video.duration_seconds), `${video.width} × ${video.height}`, sizeText(video.size_bytes),
        video.has_sound === false ? "no sound" : null, folderOf(video.path)].filter(Boolean).map((each) => h("span", {}, each)))) };
}

async function dismiss(panel, group, keep, other) {
  const ids = [keep.video.id, other.video.id];
  try {
    await post("/duplicates/dismiss", { video_ids: ids });
    const rest = group.members.filter((member) => member !== other);
    if (rest.length < 2) { panel.remove(); total -= 1; summary(); } else panel.replaceWith(groupPanel({ ...group, members: rest }));
    notify("Remembered: not a duplicate");
  } catch (error) { notify(error.message, { isBad: true }); }
}

/** A value of a CSV row; one that a spreadsheet would run as a formula gets a quote. */
const csv = (value) => `"${String(value).replace(/^([=+\-@\t\r])/, "'$1").replaceAll('"', '""')}"`;

$("#export").addEventListener("click", async () => {
  const rows = [["group", "kind", "keep", "why", "path", "coverage", "seconds", "width", "height", "bytes"]];
  let next = null;
  let number = 0;
  do {
    const page = await get(`/duplicates?limit=500${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
    for (const group of page.groups) {
      number += 1;
      for (const { video, keep, coverage } of group.members) {
        rows.push([number, group.kind, keep ? "yes" : "no", keep ? group.why : "", video.path, coverage, video.duration_seconds, video.width, video.height, video.size_bytes]);
      }
    }
    next = page.next_cursor;
  } while (next);
  download(new Blob([rows.map((row) => row.map(csv).join(",")).join("\r\n")], { type: "text/csv" }), "duplicates.csv");
});

mountShell();
new IntersectionObserver((entries) => { if (entries[0].isIntersecting && cursor) load(); }, { rootMargin: "600px" }).observe($("#more"));
load();
