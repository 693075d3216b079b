/** Whether it is dark, for what has colours of its own: by the visitor's choice, else by the system's. */

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => root.dataset.scheme === "dark" || (root.dataset.scheme !== "light" && system.matches);

/** Calls `show` now and whenever it may have changed. @param {(isDark: boolean) => void} show */
export function followScheme(show) {
  const again = () => show(isDark());
  system.addEventListener("change", again);
  new MutationObserver(again).observe(root, { attributeFilter: ["data-scheme"] });
  again();
}
