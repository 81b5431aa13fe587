// @vitest-environment happy-dom
// Light or dark, as the page around a view is.
import { afterEach, expect, it } from "vitest";
import { followTheme, lightnessOf } from "../../src/views/dom/theme.js";

function hostIn(html: string): HTMLElement {
  document.body.innerHTML = html;
  return document.querySelector("#host") as HTMLElement;
}

function schemeOf(host: HTMLElement): string {
  followTheme(host)();
  return host.style.colorScheme;
}

afterEach(() => {
  for (const { name } of [...document.body.attributes]) document.body.removeAttribute(name);
});

it.each([
  ["rgb(255, 255, 255)", "light"],
  ["rgb(24, 28, 26)", "dark"],
  ["rgba(0, 0, 0, 0)", "light dark"],
])("over %s is %s", (colour, scheme) => {
  const host = hostIn(`<main style="background-color: ${colour}"><div><div id="host"></div></div></main>`);
  expect(schemeOf(host)).toBe(scheme);
});

it.each([
  ["data-jp-theme-light", "false", "dark"],
  ["data-jp-theme-light", "true", "light"],
  ["data-vscode-theme-kind", "vscode-dark", "dark"],
  ["data-vscode-theme-kind", "vscode-high-contrast-light", "light"],
  ["data-vscode-theme-kind", "vscode-high-contrast", "dark"],
])("is what %s=%s states, whatever lies behind it", (name, value, scheme) => {
  document.body.setAttribute(name, value);
  expect(schemeOf(hostIn('<main style="background-color: rgb(128, 128, 128)"><div id="host"></div></main>'))).toBe(
    scheme,
  );
});

it.each([
  ["rgb(0, 0, 0)", 0],
  ["rgba(255, 255, 255, 0.9)", 1],
  ["color(srgb 0.5 0.5 0.5)", 0.5],
  ["oklch(0.2 0.01 160)", 0.2],
  ["lab(97 1 -2)", 0.97],
  ["rgba(0, 0, 0, 0)", undefined],
  ["lab(97 1 -2 / 0.1)", undefined],
  ["transparent", undefined],
])("of %s is a lightness of %s", (colour, lightness) => {
  const found = lightnessOf(colour);
  if (lightness === undefined) expect(found).toBeUndefined();
  else expect(found).toBeCloseTo(lightness);
});

it("is found from inside a shadow root", () => {
  const outer = hostIn('<main style="background-color: rgb(10, 10, 10)"><div id="host"></div></main>');
  const inner = document.createElement("div");
  outer.attachShadow({ mode: "open" }).append(inner);
  expect(schemeOf(inner)).toBe("dark");
});
