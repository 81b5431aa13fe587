// @vitest-environment happy-dom
// A notebook saved by version 0.1.0: its outputs open in this version's view.
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MIME } from "../../src/protocol/saved-output.js";
import { WorkloadOutput } from "../../src/shells/labextension.js";

type Model = Parameters<WorkloadOutput["renderModel"]>[0];
type Bundle = { [mime: string]: unknown };
type Notebook = { cells: { outputs: { data: Bundle }[] }[] };

// The server serves the views; here they are imported from the sources.
vi.mock("../../src/shells/served-views.js", async () => ({
  ...(await import("../../src/shells/table.js")),
  ...(await import("../../src/shells/view.js")),
}));

const SLOT = Symbol.for("jupyter-logstream.v1");
const page = globalThis as unknown as { [key: symbol]: unknown };
const subscribe = vi.fn();
const notebook: Notebook = JSON.parse(readFileSync("../tests/fixtures/notebook_0_1.ipynb", "utf8"));
const [ended, running] = notebook.cells.map((cell) => cell.outputs[0]?.data ?? {});
let output: WorkloadOutput;

const model = (data?: Bundle) => ({ trusted: true, data, metadata: {}, setData: () => {} }) as Model;
const shadow = () => output.node.querySelector<HTMLElement>("[data-logstream=log]")?.shadowRoot;

beforeEach(() => {
  subscribe.mockReset();
  subscribe.mockReturnValue({ close: vi.fn(), retryNow: vi.fn() });
  page[SLOT] = { subscribe };
  output = new WorkloadOutput();
  document.body.append(output.node);
});
afterEach(() => {
  output.dispose();
  delete page[SLOT];
});

it.each([ended, running])("subscribes to the workload that the saved output names", async (data) => {
  await output.renderModel(model(data));
  const saved = data?.[MIME] as { workload: string } | undefined;
  expect(saved?.workload).toMatch(/^[0-9A-Z]{26}$/);
  expect(subscribe.mock.lastCall?.[0]).toMatchObject({ stream: `workload/${saved?.workload}` });
});

it("shows the saved last lines when the server no longer has the log", async () => {
  await output.renderModel(model(ended));
  const emit = (subscribe.mock.lastCall as [object, (event: object) => void])[1];
  emit({ kind: "state", rung: "error", message: "This log was deleted from the server (404)." });
  await vi.waitFor(() => expect(shadow()?.textContent).toContain("ERROR no"));
  expect(shadow()?.textContent).toContain("INFO hello");
});
