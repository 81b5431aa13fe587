// Light or dark: Jupyter says it on <body>, a bare page leaves it to the system. Knows nothing of logs.
// Colours themselves are `--jp-*` variables and need no script; this sets `color-scheme` (scroll bars, light-dark()).

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
