// Runs before the first paint, so that a dark page does not flash white.
(() => {
  const chosen = localStorage.getItem("vidseek-theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const theme = localStorage.getItem("vidseek-theme") ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
  };
  if (chosen === null) dark.addEventListener("change", apply);
  apply();
})();
