// "Where it looks": heat maps that show why a moment matches the words of a search.

import { getFile } from "./api.js";
import { h, icon, notify } from "./dom.js";
import { spanText, titleOf } from "./format.js";

/** A button, and the panel that it fills with the explanation of `hit`. */
export function whereItLooks(hit, text) {
  const { video_id, start_seconds, end_seconds } = hit;
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
    const asked = loading = new AbortController();
    panel.hidden = false;
    panel.replaceChildren(h("p", { class: "muted" }, "Looking at the frame…"));
    button.setAttribute("aria-expanded", "true");
    const query = new URLSearchParams({ text, start: start_seconds, end: end_seconds });
    try {
      const picture = await getFile(`/videos/${video_id}/explain.png?${query}`, { signal: asked.signal });
      if (asked.signal.aborted) return;
      address = URL.createObjectURL(picture);
      const image = h("img", { src: address, alt: `Heat maps of where “${text}” and its words look in ${titleOf(hit.path)}, ${spanText(start_seconds, end_seconds)}` });
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
