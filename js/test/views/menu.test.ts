// @vitest-environment happy-dom
// The menu of a log view: links to exports where the server makes them.
import { describe, expect, it, vi } from "vitest";
import { Menu, type MenuActions } from "../../src/views/log/menu.js";

const links = (...urls: [string, string?]) => {
  const actions = new Proxy({}, { get: () => vi.fn() }) as MenuActions;
  const menu = new Menu(actions, ...urls);
  return [...menu.popup.element.querySelectorAll("a")].filter((it) => !it.hidden).map((it) => it.getAttribute("href"));
};

describe("the menu's links", () => {
  it("lead to the complete log and to its exports", () => {
    expect(links("/log.txt", "/export?format=")).toEqual(["/log.txt", "/export?format=html", "/export?format=jsonl"]);
  });

  it("are hidden where the browser has no route to the server, and for a log without a workload", () => {
    expect(links("/log.txt")).toEqual(["/log.txt"]);
    expect(links("")).toEqual([]);
  });
});
