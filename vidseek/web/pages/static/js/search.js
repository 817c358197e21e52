// The search page.

import { get, post, poster } from "./api.js";
import { $, emptyState, h, icon, iconButton, isTyping, notify } from "./dom.js";
import { MIN_CONFIDENCE, clock, dateText, lengthText, many, spanText, titleOf } from "./format.js";
import { card, focusCard, moveByKeys } from "./grid.js";
import { openPlayer } from "./player.js";
import { mountShell } from "./shell.js";

const PAGE = 60;
const MAX_HITS = 200;
const MARK_HITS = 50;
const FIRST_CARDS = 24;
const WAIT_MS = 200;
const FILTERS = ["then", "within", "without", "label", "path", "min", "max", "height", "after", "before", "copies", "captions"];

const results = $("#results");
const box = $("#query");
const filterForm = $("#filters");
let state = readAddress();
let upload = null;
let found = { hits: [], warnings: [], cursor: null };
let running = null;
let shownFrom = 0;

// -- state in the address -----------------------------------------------------------------------

function readAddress() {
  const query = new URLSearchParams(location.search);
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  return { q: query.get("q") ?? "", like: query.get("like") ?? "", unlike: query.get("unlike") ?? "", order: query.get("order") === "date" ? "date" : "relevance",
    group: query.has("group"), filters };
}

function writeAddress({ replace = false } = {}) {
  const query = new URLSearchParams();
  if (state.q) query.set("q", state.q);
  if (state.like) query.set("like", state.like);
  if (state.unlike) query.set("unlike", state.unlike);
  if (state.order === "date") query.set("order", "date");
  if (state.group) query.set("group", "1");
  for (const name of FILTERS) if (state.filters[name]) query.set(name, state.filters[name]);
  const address = query.size ? `/?${query}` : "/";
  if (address !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", address);
}

addEventListener("popstate", () => { state = readAddress(); upload = null; showControls(); run(); });

function change(part, options) {
  state = { ...state, ...part };
  writeAddress(options);
  showControls();
  run();
}

// -- controls -----------------------------------------------------------------------------------

function showControls() {
  box.value = state.q;
  box.placeholder = upload || state.like ? "Search by words instead" : "Describe a moment, or drop a picture or a clip";
  document.querySelectorAll("[data-order]").forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.order === state.order)));
  $("#group").checked = state.group;
  for (const name of FILTERS) {
    const field = filterForm.elements[name];
    if (field.type === "checkbox") field.checked = Boolean(state.filters[name]); else field.value = state.filters[name];
  }
  const count = FILTERS.filter((name) => state.filters[name]).length;
  $("#filter-count").textContent = String(count);
  $("#filter-count").hidden = count === 0;
  const subject = state.q || state.filters.label;
  document.title = subject ? `${subject} - vidseek` : "vidseek: search";
  showChip();
}

function showChip() {
  const chip = $("#query-chip");
  const clear = iconButton("close", "Remove", () => { upload = null; change({ like: "", unlike: "" }); box.focus(); });
  chip.hidden = !upload && !state.like && !state.unlike;
  if (upload) {
    const isPicture = upload.file.type.startsWith("image/");
    chip.replaceChildren(h(isPicture ? "img" : "video", { src: upload.address, alt: "", muted: true }), h("span", {}, upload.file.name), clear);
  } else if (state.like || state.unlike) {
    const [moment, word] = state.like ? [parseLike(state.like), "Like"] : [parseLike(state.unlike), "Not like"];
    const label = h("span", {}, moment ? `${word} ${spanText(moment.start_seconds, moment.end_seconds)}` : `${word} a moment`);
    chip.replaceChildren(icon(state.like ? "like" : "unlike"), label, clear);
    if (moment) get(`/videos/${moment.video_id}`).then((video) => { label.textContent = `${word} ${video.title}, ${clock(moment.start_seconds)}`; }).catch(() => {});
  }
}

const parseLike = (text) => {
  const parts = text.split(",").map(Number);
  return parts.length === 3 && parts.every(Number.isFinite) ? { video_id: parts[0], start_seconds: parts[1], end_seconds: parts[2] } : null;
};

$("#search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = box.value.trim();
  if (!words && (upload || state.like)) return;
  upload = null;
  change({ q: words, like: "", unlike: words === state.q ? state.unlike : "" });
  results.scrollIntoView({ block: "nearest" });
});
function showFilters(isShown) {
  filterForm.hidden = !isShown;
  $("#filters-open").setAttribute("aria-expanded", String(isShown));
  if (!isShown) return;
  get("/labels").then(({ labels }) => $("#labels").replaceChildren(...labels.map((label) => h("option", { value: label.name })))).catch(() => {});
}
$("#filters-open").addEventListener("click", () => showFilters(filterForm.hidden));
$("#then-open").addEventListener("click", () => { showFilters(true); filterForm.elements.then.focus(); });
filterForm.addEventListener("submit", (event) => event.preventDefault());
filterForm.addEventListener("change", () => {
  const filters = Object.fromEntries(FILTERS.map((name) => {
    const field = filterForm.elements[name];
    return [name, field.type === "checkbox" ? (field.checked ? "1" : "") : field.value.trim()];
  }));
  change({ filters });
});
filterForm.addEventListener("reset", (event) => {
  event.preventDefault();
  change({ filters: Object.fromEntries(FILTERS.map((name) => [name, ""])) });
});
document.querySelectorAll("[data-order]").forEach((each) => each.addEventListener("click", () => change({ order: each.dataset.order })));
$("#group").addEventListener("change", (event) => { state.group = event.target.checked; writeAddress(); draw(); });
$("#query-file").addEventListener("change", (event) => { searchByFile(event.target.files[0]); event.target.value = ""; });

addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "/" && !isTyping(event)) { event.preventDefault(); box.focus(); box.select(); }
  if (event.key === "Escape") document.activeElement?.blur?.();
  if (event.key === "ArrowDown" && event.target === box) { event.preventDefault(); focusCard($(".card", results)); }
});
const drop = $("#drop");
addEventListener("dragover", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  drop.hidden = false;
});
addEventListener("dragleave", (event) => { if (event.relatedTarget === null) drop.hidden = true; });
addEventListener("drop", (event) => {
  drop.hidden = true;
  if (event.dataTransfer.files.length === 0) return;
  event.preventDefault();
  searchByFile(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files][0];
  if (file) { event.preventDefault(); searchByFile(file); }
});

function searchByFile(file) {
  if (!file) return;
  if (upload) URL.revokeObjectURL(upload.address);
  upload = { file, address: URL.createObjectURL(file) };
  change({ q: "", like: "", unlike: "" });
}

// -- searching ----------------------------------------------------------------------------------

function where() {
  const { path, min, max, height, after, before, label } = state.filters;
  const next = new Date(`${before}T00:00:00`);
  next.setDate(next.getDate() + 1);
  const given = {
    path_glob: path || null, min_duration_seconds: min ? Number(min) : null, max_duration_seconds: max ? Number(max) : null,
    min_height: height ? Number(height) : null, after: after ? new Date(`${after}T00:00:00`).toISOString() : null,
    before: before ? next.toISOString() : null, labels: label ? [label] : null,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

/** A page of hits for what the page asks; `part` overrides members of the request. */
function ask(part, signal) {
  const { without, copies, label } = state.filters;
  const common = { k: PAGE, copies: Boolean(copies), where: where(), ...part };
  if (upload) {
    const form = new FormData();
    form.append("k", String(MAX_HITS));
    form.append("copies", String(common.copies));
    form.append("where", JSON.stringify(common.where));
    form.append("file", upload.file, upload.file.name);
    return post("/similar", form, { signal });
  }
  const like = parseLike(state.like);
  if (like) return post("/similar", { ...like, exclude_itself: true, ...common }, { signal });
  if (isByLabel()) return post("/labels/clips", { name: label, k: MAX_HITS, where: common.where }, { signal });
  if (state.filters.captions) return post("/search/captions", { text: state.q, k: MAX_HITS, where: common.where }, { signal });
  const unlike = parseLike(state.unlike);
  const unwanted = { ...(without ? { not_text: without } : {}), ...(unlike ? { not_like: unlike } : {}) };
  return post("/search", { text: state.q, ...unwanted, ...sequence(), ...common }, { signal });
}

/** The members of a request for what follows; steps are separated by semicolons. */
function sequence() {
  const { then, within } = state.filters;
  const steps = then.split(";").map((step) => step.trim()).filter(Boolean);
  if (steps.length === 0) return {};
  return { then: steps, ...(Number(within) > 0 ? { within_seconds: Number(within) } : {}) };
}

const hasFilters = () => FILTERS.some((name) => state.filters[name]);
const hasQuery = () => Boolean(state.q || parseLike(state.like) || upload);
/** Whether the page lists the clips of a label, without a query. */
const isByLabel = () => !hasQuery() && Boolean(state.filters.label);
const isAsking = () => hasQuery() || isByLabel();

async function run() {
  running?.abort();
  document.body.classList.toggle("is-start", !isAsking() && !hasFilters());
  if (!isAsking()) { found = { hits: [], warnings: [], cursor: null }; $("#status").textContent = ""; await start(); return; }
  running = new AbortController();
  const { signal } = running;
  results.setAttribute("aria-busy", "true");
  const waiting = setTimeout(showWaiting, WAIT_MS, signal);
  const startedMs = performance.now();
  try {
    const answer = await ask(state.order === "date" ? { k: MAX_HITS } : {}, signal);
    found = { hits: answer.hits, warnings: answer.warnings, cursor: state.order === "date" ? null : answer.next_cursor };
    showCount(performance.now() - startedMs);
    draw();
  } catch (error) {
    if (error.name === "AbortError") return;
    $("#status").textContent = "";
    results.replaceChildren(refusal(error));
  } finally {
    clearTimeout(waiting);
    if (!signal.aborted) results.setAttribute("aria-busy", "false");
  }
}

/** Hold the places of cards while a search takes long. Most answers come sooner, and drawing these would delay them. */
function showWaiting(signal) {
  if (signal.aborted || results.querySelector(".card")) return;
  results.replaceChildren(h("div", { class: "grid" }, Array.from({ length: 12 }, () => h("div", { class: "skeleton" }))));
}

/** Say how many moments were found, not counting the unlikely ones. */
function showCount(ms) {
  const sure = found.hits.filter(isSure).length;
  const mayBeMore = found.cursor && sure === found.hits.length;
  const took = ms === undefined ? "" : ` in ${ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`}`;
  $("#status").textContent = `${mayBeMore ? `${sure}+ moments` : many(sure, "moment")}${took}`;
}

function refusal(error) {
  const retry = h("button", { type: "button", class: "primary", onclick: run }, "Try again");
  if (upload && error.status) return emptyState("image", "This file cannot be used to search", error.message);
  return emptyState("search", error.status === 422 ? "The server refused this search" : "The search failed", error.message, retry);
}

async function more() {
  if (!found.cursor || running === null || results.getAttribute("aria-busy") === "true") return;
  results.setAttribute("aria-busy", "more");
  const { signal } = running;
  try {
    const answer = await ask({ cursor: found.cursor }, signal);
    found = { ...found, hits: [...found.hits, ...answer.hits], cursor: answer.next_cursor };
    showCount();
    if (state.group) draw(); else append();
  } catch (error) {
    if (error.name !== "AbortError") { found.cursor = null; notify(error.message, { isBad: true }); }
  } finally { results.setAttribute("aria-busy", "false"); }
}
new IntersectionObserver((entries) => { if (entries[0].isIntersecting) more(); }, { rootMargin: "900px" }).observe($("#more"));

// -- drawing ------------------------------------------------------------------------------------

/** What the cards of this search offer. */
const actions = () => ({ open, like, ...(isByWords() ? { unlike } : {}) });
const isByWords = () => Boolean(state.q) && !upload && !parseLike(state.like) && !state.filters.captions;
const asText = (hit) => [hit.video_id, hit.start_seconds.toFixed(3), hit.end_seconds.toFixed(3)].join(",");

function like(hit) {
  upload = null;
  change({ q: "", like: asText(hit), unlike: "" });
  scrollTo({ top: 0 });
}

function unlike(hit) {
  change({ unlike: asText(hit) });
  scrollTo({ top: 0 });
}

function open(hit) {
  openPlayer(hit, {
    hits: ordered(), text: upload || state.like || isByLabel() ? null : state.q, ...actions(),
    async siblings(each) {
      const known = found.hits.filter((other) => other.video_id === each.video_id);
      if (upload || /[*?[\]]/.test(each.path)) return known;
      const answer = await ask({ k: MARK_HITS, where: { path_glob: each.path } });
      return answer.hits.filter((other) => other.confidence === null || other.confidence >= MIN_CONFIDENCE);
    },
  });
}

const isSure = (hit) => hit.confidence === null || hit.confidence >= MIN_CONFIDENCE;
const byDate = (hits) => [...hits].sort((a, b) => b.modified.localeCompare(a.modified));

/** The hits in the order in which they are shown. */
function ordered() {
  const hits = state.order === "date" ? byDate(found.hits) : found.hits;
  return [...hits.filter(isSure), ...hits.filter((hit) => !isSure(hit))];
}

function draw() {
  results.replaceChildren();
  shownFrom = 0;
  for (const warning of found.warnings) results.append(h("p", { class: "note" }, warning.message));
  if (found.hits.length === 0) { results.append(nothing()); return; }
  if (state.group) drawGroups(); else append();
  const first = $(".picture", results);
  if (first) first.tabIndex = 0;
}

/** Add the hits that are not shown yet, the unlikely ones below a heading. The first, which are in sight, are painted before the rest. */
function append() {
  const hits = state.order === "date" ? ordered() : found.hits;
  const fresh = hits.slice(shownFrom, shownFrom === 0 ? FIRST_CARDS : hits.length);
  shownFrom += fresh.length;
  const shown = found;
  const next = () => { if (found === shown && !state.group) append(); };
  if (shownFrom < hits.length) requestAnimationFrame(() => setTimeout(next));
  const sure = fresh.filter(isSure);
  const rest = fresh.filter((hit) => !isSure(hit));
  if (!$("[data-part]", results) && sure.length === 0) {
    results.append(nothingSure());
    part("rest");
  }
  if (sure.length) part("sure").append(...sure.map((hit) => card(hit, actions())));
  if (rest.length) {
    if (!$("[data-part=rest]", results)) results.append(lessLikely());
    part("rest").append(...rest.map((hit) => card(hit, actions())));
  }
}

const askedFor = () => [state.q, ...(sequence().then ?? [])].map((step) => `“${step}”`).join(", then ");
const nothingSure = () => h("div", { class: "section-title" }, h("h2", {}, `No moment clearly shows ${askedFor()}`),
  h("span", { class: "muted" }, "These come closest. Other words may help: describe what can be seen."));
const lessLikely = () => h("div", { class: "section-title" }, h("h2", {}, "Less likely"), h("span", { class: "muted" }, "Closest of the rest"));

function part(name) {
  let grid = $(`[data-part=${name}]`, results);
  if (!grid) {
    grid = h("div", { class: `grid${name === "rest" ? " is-faint" : ""}`, data: { part: name } });
    results.append(grid);
  }
  return grid;
}

function drawGroups() {
  const groups = new Map();
  for (const hit of ordered()) groups.set(hit.video_id, [...(groups.get(hit.video_id) ?? []), hit]);
  let isBelow = false;
  for (const [id, hits] of groups) {
    if (!isBelow && !hits.some(isSure)) {
      isBelow = true;
      results.append(results.querySelector("[data-part]") ? lessLikely() : nothingSure());
    }
    results.append(h("div", { class: "section-title" },
      h("h2", {}, h("a", { href: `/video/${id}` }, titleOf(hits[0].path))),
      h("span", { class: "muted" }, `${many(hits.length, "moment")} · ${lengthText(hits[0].duration_seconds)} · ${dateText(hits[0].modified)}`)),
    h("div", { class: `grid${isBelow ? " is-faint" : ""}`, data: { part: `video-${id}` } }, hits.sort((a, b) => a.start_seconds - b.start_seconds).map((hit) => card(hit, actions()))));
  }
}

function nothing() {
  if (isByLabel()) return emptyState("filter", "No clip has this label", "No clip that passes the filters has it. A label gets its clips when it is trained.",
    h("button", { type: "button", class: "primary", onclick: () => filterForm.reset() }, "Clear filters"));
  if (hasFilters()) return emptyState("filter", "Nothing passes the filters", "No indexed video fits all of them.",
    h("button", { type: "button", class: "primary", onclick: () => filterForm.reset() }, "Clear filters"));
  return emptyState("film", "Nothing to find yet", "The library has no moments like that. Index a folder of videos first.",
    h("a", { class: "primary", href: "/library" }, "Open the library"));
}

// -- the start ----------------------------------------------------------------------------------

async function start() {
  results.replaceChildren();
  try {
    const page = await get("/videos?state=indexed&order=newest&limit=12");
    if (isAsking()) return;
    if (hasFilters()) results.append(h("p", { class: "note" }, "Filters narrow a search: describe a moment above, or choose a label."));
    if (page.total === 0) { results.append(emptyState("film", "The library is empty", "Index a folder of videos, then describe what you are looking for.", h("a", { class: "primary", href: "/library" }, "Open the library"))); return; }
    const cards = page.videos.map(videoCard);
    results.append(h("div", { class: "section-title" }, h("h2", {}, "Newest videos"), h("span", { class: "muted" }, `of ${many(page.total, "video")}`)), h("div", { class: "grid" }, cards));
    if (matchMedia("(hover: hover)").matches) box.focus();
  } catch (error) { results.replaceChildren(refusal(error)); }
}

function videoCard(video) {
  const picture = h("a", { class: "picture", href: `/video/${video.id}`, "aria-label": video.title }, h("span", { class: "time" }, clock(video.duration_seconds)));
  poster(video.id).then((address) => picture.prepend(address ? h("img", { src: address, alt: "", loading: "lazy" }) : icon("film", "blank")));
  return h("article", {}, picture, h("div", { class: "card-text" }, h("span", { class: "card-title", title: video.path }, video.title),
    h("span", { class: "card-sure" }, dateText(video.modified))));
}

mountShell();
moveByKeys(results);
showControls();
run();
