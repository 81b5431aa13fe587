// @vitest-environment happy-dom
// Searching a complete log, also lines that are not loaded.
import { describe, expect, it, vi } from "vitest";
import { find, paint, source, viewport } from "../support/stage.js";
import { records } from "../support/workload.js";

const query = () => find(".query") as HTMLInputElement;

async function search(text: string): Promise<void> {
  query().value = text;
  query().dispatchEvent(new Event("input"));
  await vi.advanceTimersByTimeAsync(300);
  await paint();
}
const press = async (key: string, shiftKey = false) => {
  query().dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey }));
  await paint();
};

describe("finding", () => {
  it("opens by its button and by a slash, and closes by Escape", async () => {
    expect(find(".filterbar").hidden).toBe(true);
    find(".find-open").click();
    expect(find(".filterbar").hidden).toBe(false);
    await press("Escape");
    expect(find(".filterbar").hidden).toBe(true);
    viewport().dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }));
    expect(find(".filterbar").hidden).toBe(false);
  });

  it("searches when typing pauses, and shows the newest match with its number", async () => {
    source.logs(...records(1, 500));
    await paint();
    source.matching = [7, 41, 42];
    await search("loss=0");
    expect(source.filters).toEqual([{ q: "loss=0" }]);
    expect(find(".matches").textContent).toBe("3 of 3");
    expect(find("[data-hit]").dataset["seq"]).toBe("42");
    expect(find(".follow").getAttribute("aria-pressed")).toBe("false");
  });

  it("steps through the matches and wraps around", async () => {
    source.logs(...records(1, 500));
    source.matching = [7, 41, 42];
    await search("a");
    const stepped = [];
    for (const back of [false, false, true]) {
      await press("Enter", back);
      stepped.push(`${find(".matches").textContent}: ${find("[data-hit]").dataset["seq"]}`);
    }
    expect(stepped).toEqual(["1 of 3: 7", "2 of 3: 41", "1 of 3: 7"]);
    expect(source.filters, "the log was searched once").toEqual([{ q: "a" }]);
  });

  it("shows a near match of a long log before the count is complete", async () => {
    source.emit({ kind: "snapshot", cursor: 60_000 });
    await paint();
    let counted = () => {};
    const { matchDensity } = source;
    source.matchDensity = async (...args) => {
      await new Promise<void>((resolve) => {
        counted = () => resolve();
      });
      return matchDensity.apply(source, args);
    };
    source.matching = [300, 59_000, 59_900];
    await search("a");
    expect(find("[data-hit]").dataset["seq"]).toBe("59900");
    expect(find(".matches").textContent).toBe("Searching…");
    await press("Escape");
    counted();
  });

  it("repeats the search when the level filter changes", async () => {
    source.logs(...records(1, 500));
    source.matching = [7, 41, 42];
    await search("a");
    source.matching = [41];
    find('.chip[data-level="error"]').click();
    await paint();
    await paint();
    expect(find(".matches").textContent).toBe("1 of 1");
    expect(source.filters).toContainEqual({ levels: ["error"], q: "a" });
  });

  it("reports no matches, or an invalid expression", async () => {
    await search("nothing");
    expect(find(".matches").textContent).toBe("No matches");
    source.refuse = new Error("q is not a regular expression");
    await search("/(/");
    expect(find(".matches").textContent).toBe("q is not a regular expression");
  });

  it("names the line at which the server stopped a search", async () => {
    source.logs(...records(1, 500));
    source.matching = [7, 41];
    const { matchDensity } = source;
    source.matchDensity = async (...args) => ({ ...(await matchDensity.apply(source, args)), stopped: 1234 });
    await search("a");
    expect(find(".matches").textContent).toBe("2 of 2, stopped at line 1,234");
    source.matching = [];
    await search("b");
    expect(find(".matches").textContent).toBe("No matches, stopped at line 1,234");
  });

  it("clears the current match when it closes", async () => {
    source.logs(...records(1, 500));
    source.matching = [499];
    await search("a");
    expect(find("[data-hit]")).not.toBeNull();
    await press("Escape");
    expect(find("[data-hit]")).toBeNull();
  });
});
