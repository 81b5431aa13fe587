// The stand-in server of the tests sends only fields that docs/openapi.yaml knows; fixtures/contract.json is made from it.
import { afterEach, beforeEach, expect, it } from "vitest";
import { FetchTransport } from "../../src/net/fetch-transport.js";
import { Hub } from "../../src/net/hub.js";
import type { Page } from "../../src/net/page.js";
import contract from "../fixtures/contract.json";
import { soon, View } from "../support/listening.js";
import { LogServer } from "../support/server.js";

let server: LogServer;
let page: Page;

beforeEach(async () => {
  server = new LogServer();
  page = await server.start();
  server.add("A", 3);
});
afterEach(() => server.stop());

type Schema = keyof typeof contract;
const json = async (path: string) => (await (await page.request(path)).json()) as { [field: string]: unknown };

function expectKnownFields(value: object, schema: Schema): void {
  expect(contract[schema].allowed).toEqual(expect.arrayContaining(Object.keys(value)));
}

function expectAllRequired(value: object, schema: Schema): void {
  expectKnownFields(value, schema);
  expect(Object.keys(value)).toEqual(expect.arrayContaining(contract[schema].required));
}

it("answers a workload with known fields only", async () => {
  expectKnownFields(await json("v1/workloads/A"), "Workload");
  const { workloads } = (await json("v1/workloads?limit=1")) as unknown as { workloads: object[] };
  for (const one of workloads) expectKnownFields(one, "Workload");
});

it("answers a page of records with all required fields", async () => {
  const { records, ...rest } = await json("v1/workloads/A/records?after=0&limit=10");
  expect(Object.keys(rest).sort()).toEqual(["next", "state", "total"]);
  for (const record of records as object[]) expectAllRequired(record, "Record");
});

it("answers errors and the version with known fields only", async () => {
  expectAllRequired(await json("v1/workloads/missing"), "Error");
  expectKnownFields(await json("v1/info"), "Info");
});

it("sends frames whose records and workloads have known fields only", async () => {
  const view = new View(new Hub(page, (streams) => new FetchTransport(page, streams)), "workload/A");
  server.end("A");
  await soon(() => expect(view.rung).toBe("done"));
  for (const event of view.events) {
    if (event.kind !== "frame") continue;
    for (const record of event.data.logs ?? []) expectAllRequired(record, "Record");
    if (event.type === "status" && event.data.job !== undefined) expectKnownFields(event.data.job, "Workload");
  }
  expect(view.seqs).toEqual([1, 2, 3]);
});
