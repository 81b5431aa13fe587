// Light or dark: sets `color-scheme` (scrollbars, light-dark()) from Jupyter's theme, or from the page around the view.
// DOM only. Colours are `--jp-*` variables and need no script.

/** Follows the theme until the returned function is called. */
export function followTheme(host: HTMLElement): () => void {
  const apply = () => {
    const light = isLight(host);
    host.style.colorScheme = light === undefined ? "light dark" : light ? "light" : "dark";
  };
  const observer = new MutationObserver(apply);
  const attributeFilter = ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme", "class", "style", "theme"];
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true, attributeFilter });
  }
  apply();
  const attached = requestAnimationFrame(apply); // some hosts attach the view only after it is made
  return () => {
    cancelAnimationFrame(attached);
    observer.disconnect();
  };
}

/** What the page states, as Jupyter and VS Code do, else the colour behind the view; undefined: it sets none. */
function isLight(host: HTMLElement): boolean | undefined {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight !== undefined) return jpThemeLight === "true";
  if (vscodeThemeKind !== undefined) return vscodeThemeKind.endsWith("light");
  for (let element = parentOf(host); element !== undefined; element = parentOf(element)) {
    const lightness = lightnessOf(getComputedStyle(element).backgroundColor);
    if (lightness !== undefined) return lightness > 0.5;
  }
  return undefined;
}

/** Lightness of a computed colour, 0 to 1; undefined for one that is transparent or of a form not known. */
export function lightnessOf(colour: string): number | undefined {
  const [space = "", ...texts] = colour.match(/^[a-z]+|[\d.]+/g) ?? [];
  const [first = 0, second = 0, third = 0, alpha = 1] = texts.map(Number);
  if (texts.length < 3 || alpha < 0.5) return undefined;
  if (space.startsWith("ok")) return first; // oklab(), oklch()
  if (space.startsWith("l")) return first / 100; // lab(), lch()
  return (first * 0.3 + second * 0.6 + third * 0.1) / (space === "color" ? 1 : 255);
}

/** The element around another one, across shadow roots. */
function parentOf(element: Element): Element | undefined {
  const parent = element.parentNode;
  return parent instanceof ShadowRoot ? parent.host : parent instanceof Element ? parent : undefined;
}
