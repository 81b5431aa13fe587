// @vitest-environment happy-dom
// The server's own log in a log view: live without a workload, without cancel and download, with levels.
import { beforeEach, describe, expect, it } from "vitest";
import { mountLogView } from "../../src/views/log/log-view.js";
import { find, host, paint, rows, ScriptedSource, view } from "../support/stage.js";
import { record } from "../support/workload.js";

class Service extends ScriptedSource {
  readonly title = "Jupyter server log";
}

let service: Service;

beforeEach(() => {
  view.dispose();
  service = new Service();
  mountLogView(host, service);
});

describe("the server's own log", () => {
  it("has a title, and is live without a workload", async () => {
    service.emit({ kind: "state", rung: "live" });
    await paint();
    expect(find(".name").textContent).toBe("Jupyter server log");
    expect(find(".badge").textContent).toBe("Live");
    expect(find(".empty").textContent).toBe("No lines yet");
    expect(host.dataset["state"]).toBe("live");
  });

  it("offers follow and find, but not cancel and download", async () => {
    service.emit({ kind: "state", rung: "live" });
    service.logs(record(1));
    await paint();
    expect(["follow", "find-open", "cancel", "download"].map((name) => find(`.${name}`).hidden)).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it("shows levels, and that older lines are gone", async () => {
    service.emit({ kind: "state", rung: "live" });
    service.frame("gap", { from: 1, to: 40, reason: "not_kept" });
    service.logs(record(41, { level: "warn" }), record(42, { level: "error" }));
    await paint();
    expect(rows().map((row) => row.dataset["level"])).toEqual([undefined, "warn", "error"]);
    expect(rows()[0]?.textContent).toBe("Lines 1–40 are no longer kept");
    expect(find(".count").textContent).toBe("42 lines");
  });
});
