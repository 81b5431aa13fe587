// The replay buffer of endless streams is bounded, and marked as incomplete when it dropped something.
import { describe, expect, it } from "vitest";
import { MAX_RECORD_CHARS, MAX_RECORDS, RecentRecords, WorkloadList } from "../../src/net/replay-buffer.js";
import { record, workload } from "../support/workload.js";

const kept = (memory: RecentRecords) => memory.frames()?.[0]?.data.logs ?? [];

describe("the records of the server's log", () => {
  it("are the newest 5,000, in order", () => {
    const memory = new RecentRecords("service", true);
    for (let seq = 1; seq <= 20_000; seq++) memory.add("logs", { logs: [record(seq)], cursor: `1.${seq}` });
    const seqs = kept(memory).map(({ seq }) => seq);
    expect(seqs.length).toBeGreaterThanOrEqual(MAX_RECORDS);
    expect(seqs.length).toBeLessThanOrEqual(MAX_RECORDS * 1.2);
    expect(seqs).toEqual(seqs.map((_, i) => 20_000 - seqs.length + 1 + i));
    expect(memory.frames()?.[0]?.data.cursor).toBe("1.20000");
  });

  it("are fewer if they are long", () => {
    const memory = new RecentRecords("service", true);
    const message = "x".repeat(60_000);
    for (let seq = 1; seq <= 200; seq++) memory.add("logs", { logs: [record(seq, { message })] });
    const chars = kept(memory).reduce((sum, { message: { length } }) => sum + length, 0);
    expect(chars).toBeLessThanOrEqual(MAX_RECORD_CHARS);
    expect(chars).toBeGreaterThan(MAX_RECORD_CHARS / 2);
    expect(kept(memory).at(-1)?.seq).toBe(200);
  });

  it("are none after a reset", () => {
    const memory = new RecentRecords("service", true);
    memory.add("logs", { logs: [record(1)] });
    memory.add("reset", {});
    expect(memory.frames()).toEqual([]);
  });
});

describe("a list that was joined in the middle", () => {
  it("is not replayed until the list restarts", () => {
    const list = new WorkloadList(false);
    list.add("workload", { ...workload({ id: "A" }) });
    expect(list.frames()).toBeUndefined();
    list.add("reset", {});
    list.add("workload", { ...workload({ id: "B" }) });
    expect(list.frames()?.map(({ data }) => data["id"])).toEqual(["B"]);
  });
});
