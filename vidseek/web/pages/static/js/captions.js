// What a video shows in sentences: its captions, and answers to questions about it.

import { eventsUrl, get, post } from "./api.js";
import { h } from "./dom.js";
import { clock, spanText } from "./format.js";

const ASKED_FRAMES = 8;

/** The model that the server was started with, asked for once. */
let captioner = null;
const theCaptioner = () => (captioner ??= get("/captioner"));

/** Fill `list` with the captions of a video, and offer to write them; gives what to say. */
export async function showCaptions(list, id, { row, go }) {
  const [{ captions }, model, health] = await Promise.all([get(`/videos/${id}/describe?labels=0`), theCaptioner(), get("/health")]);
  const rows = captions.map((each) => row(null, spanText(each.start_seconds, each.end_seconds), each.text, () => go(each.start_seconds)));
  const canWrite = model.writes_captions && !health.read_only;
  const button = h("button", { type: "button", class: "secondary", onclick: write }, captions.length ? "Write captions again" : "Write captions");
  const status = h("span", { class: "muted", role: "status" });
  async function write() {
    button.disabled = true;
    status.textContent = `${model.model} is looking at the video…`;
    try {
      await ended(await post(`/videos/${id}/captions`, {}), (progress) => { status.textContent = `${progress.done} of ${progress.total} captions`; });
      await showCaptions(list, id, { row, go });
    } catch (error) { status.textContent = error.message; button.disabled = false; }
  }
  list.replaceChildren(...rows, canWrite ? h("li", { class: "row tools" }, button, status) : "");
  return captions.length || canWrite ? "" : "No captions were written for this video.";
}

/** Wait for a job; fails as it fails. */
function ended(job, onProgress) {
  return new Promise((resolve, reject) => {
    const events = new EventSource(eventsUrl(job.id));
    events.addEventListener("progress", (event) => { const { progress } = JSON.parse(event.data); if (progress?.total) onProgress(progress); });
    events.addEventListener("end", (event) => {
      events.close();
      const { state, problem } = JSON.parse(event.data);
      if (state === "done") resolve(); else reject(new Error(problem ?? "The captions were not written."));
    });
  });
}

/** A form for questions about a video; empty where no model answers any. */
export function askForm(id, go) {
  const place = h("div", {});
  theCaptioner().then((model) => { if (model.answers_questions) place.append(...questions(id, go)); }).catch(() => {});
  return place;
}

function questions(id, go) {
  const question = h("input", { type: "text", maxlength: "4000", placeholder: "Ask about this video", "aria-label": "Ask about this video" });
  const button = h("button", { class: "secondary" }, "Ask");
  const answer = h("div", { class: "answer", role: "status" });
  const form = h("form", { class: "inline-form" }, question, button);
  let asking = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!question.value.trim()) return;
    asking?.abort();
    const { signal } = asking = new AbortController();
    answer.replaceChildren(h("p", { class: "muted" }, "Looking at the frames…"));
    try {
      const found = await post(`/videos/${id}/ask`, { question: question.value.trim(), frames: ASKED_FRAMES }, { signal });
      const frames = found.frames.map((each) => h("button", { type: "button", class: "chip", onclick: () => go(each.seconds) }, clock(each.seconds, { tenths: true })));
      answer.replaceChildren(h("p", {}, h("strong", {}, found.answer), h("span", { class: "muted" }, ` ${found.model}, ${Math.round(100 * found.votes)} % of the frames looked at`)),
        h("div", { class: "tools", role: "group", "aria-label": "Frames of the answer" }, frames));
    } catch (error) { if (error.name !== "AbortError") answer.replaceChildren(h("p", { class: "alert" }, error.message)); }
  });
  return [form, answer];
}
