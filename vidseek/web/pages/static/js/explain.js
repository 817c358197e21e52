// "Where it looks": heat maps that show why a moment matches the words of a search.

import { getFile } from "./api.js";
import { h, icon, notify } from "./dom.js";
import { spanText, titleOf } from "./format.js";

/** What to ask about a moment that was found by `text`. */
export const aboutHit = (hit, text) => ({ video_id: hit.video_id, title: titleOf(hit.path), text, when: spanText(hit.start_seconds, hit.end_seconds),
  place: { start: hit.start_seconds, end: hit.end_seconds } });

/** A button, and the panel that it fills with the explanation that `question()` asks for then; null asks for nothing. */
export function whereItLooks(question) {
  const panel = h("div", { class: "explanation", id: "explanation", "aria-live": "polite", hidden: true });
  const button = h("button", { type: "button", class: "secondary", title: "Show where each word looks (W)", "aria-expanded": "false",
    "aria-controls": "explanation", onclick: () => toggle() }, icon("image"), "Where it looks");
  let loading = null, address = null;

  function hide() {
    loading?.abort();
    if (address) URL.revokeObjectURL(address);
    loading = address = null;
    panel.hidden = true;
    panel.replaceChildren();
    button.setAttribute("aria-expanded", "false");
  }

  async function show() {
    const about = question();
    if (!about) return;
    const asked = loading = new AbortController();
    panel.hidden = false;
    panel.replaceChildren(h("p", { class: "muted" }, "Looking at the frame…"));
    button.setAttribute("aria-expanded", "true");
    const query = new URLSearchParams({ text: about.text, ...about.place });
    try {
      const picture = await getFile(`/videos/${about.video_id}/explain.png?${query}`, { signal: asked.signal });
      if (asked.signal.aborted) return;
      address = URL.createObjectURL(picture);
      const image = h("img", { src: address, alt: `Heat maps of where “${about.text}” and its words look in ${about.title}, ${about.when}` });
      image.addEventListener("load", () => panel.scrollIntoView({ block: "nearest" }));
      panel.replaceChildren(image);
    } catch (error) {
      if (error.name === "AbortError") return;
      hide();
      notify(error.message, { isBad: true });
    }
  }

  const toggle = () => (panel.hidden ? show() : hide());
  return { button, panel, toggle, hide };
}
