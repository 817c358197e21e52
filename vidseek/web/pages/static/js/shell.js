// What every page has: the basket, the theme switch, the list of keys.

import { mountBasket } from "./basket.js";
import { $, h, iconButton, isTyping } from "./dom.js";

const KEYS = [
  ["/", "Search box"], ["← ↑ → ↓", "Move between moments"], ["Space", "Play the moment in place; play or pause"],
  ["Enter", "Open the moment"], ["B", "Add the moment to the basket"], ["M", "More like this"], ["N", "Not this"], ["W", "Where it looks: why the moment matches"],
  ["C", "Find copies of its video"], ["I  O", "Start or end at the playing second"], ["Esc", "Close"], ["?", "These keys"],
];

export function mountShell() {
  mountBasket();
  const keys = h("dialog", { "aria-labelledby": "keys-title", onclick: (event) => { if (event.target === keys) keys.close(); } },
    h("div", { class: "dialog-head" }, h("h2", { id: "keys-title" }, "Keyboard"), iconButton("close", "Close", () => keys.close())),
    h("dl", { class: "keys" }, KEYS.flatMap(([key, what]) => [
      h("dt", {}, key.split("  ").flatMap((each) => [h("kbd", {}, each), " "])), h("dd", {}, what)])));
  document.body.append(keys);
  $("#help-open").addEventListener("click", () => keys.showModal());
  $("#theme-switch").addEventListener("click", () => {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("vidseek-theme", root.dataset.theme);
  });
  addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?" && !document.querySelector("dialog[open]")) keys.showModal();
    if (event.key === "/" && document.body.dataset.page !== "search") { event.preventDefault(); location.assign("/"); }
  });
  const scrolled = () => document.documentElement.classList.toggle("is-scrolled", scrollY > 8);
  addEventListener("scroll", scrolled, { passive: true });
  scrolled();
}
