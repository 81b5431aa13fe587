// Light or dark: sets `color-scheme` (scrollbars, light-dark()) from Jupyter's theme, or from the system on other pages.
// DOM only. Colours are `--jp-*` variables and need no script.

/** Follows the theme until the returned function is called. */
export function followTheme(host: HTMLElement): () => void {
  const body = document.body;
  const apply = () => {
    const light = body.dataset["jpThemeLight"];
    host.style.colorScheme = light === undefined ? "light dark" : light === "true" ? "light" : "dark";
  };
  const observer = new MutationObserver(apply);
  observer.observe(body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  apply();
  return () => observer.disconnect();
}
