// Where a workload runs, and a lost connection to it, in words.
import { describe, expect, it } from "vitest";
import type { Workload } from "../../src/protocol/types.js";
import { badge, workloadBadge } from "../../src/text/format.js";
import { lostLink, placeOf } from "../../src/text/place.js";
import { vectors } from "../support/vectors.js";
import { workload } from "../support/workload.js";

const SINCE = 1_000_000;
const down = (changes = {}) =>
  workload({ backend: "gpu1", link: { state: "down", since: SINCE, cancel_pending: false }, ...changes });

describe("the place", () => {
  it.each(vectors<{ cases: [job: Partial<Workload>, place: string][] }>("places").cases)("of %j is %j", (job, place) =>
    expect(placeOf(workload(job))).toBe(place),
  );
});

describe("a lost connection", () => {
  it("is nothing while it is up", () => {
    expect(lostLink(undefined, SINCE)).toBe("");
    expect(lostLink(workload({ backend: "gpu1", link: null }), SINCE)).toBe("");
  });

  it.each([
    [-5000, "0 s"],
    [999, "0 s"],
    [12_400, "12 s"],
    [125_000, "2m 05s"],
  ])("counts up: after %d ms", (ms, age) =>
    expect(lostLink(down(), SINCE + ms)).toBe(`connection to gpu1 lost ${age} ago, retrying`),
  );

  it("names a kept cancel", () => {
    const link = { state: "down", since: SINCE, cancel_pending: true } as const;
    expect(lostLink(down({ link }), SINCE)).toBe(
      "connection to gpu1 lost 0 s ago, retrying; the cancel is kept and sent when it is back",
    );
  });

  it("of a workload that was never started there is none that was lost", () =>
    expect(lostLink(down({ state: "queued" }), SINCE + 3000)).toBe("no connection to gpu1 for 3 s, retrying"));

  it("is a warning in both badges, and the table keeps the state", () => {
    expect(badge(down(), { rung: "live" }, 0)).toMatchObject({ tone: "warn", label: "Connection lost", detail: "" });
    expect(badge(down({ state: "queued" }), { rung: "live" }, 0).label).toBe("No connection");
    expect(workloadBadge(down())).toMatchObject({ tone: "warn", label: "Running" });
  });
});
