// A kernel at the other end of a widget's custom messages, played by a test.

import type { Channel, FromKernel, ToKernel } from "../../src/net/comm/comm-messages.js";

type Unnumbered = FromKernel extends infer M ? (M extends unknown ? Omit<M, "n"> : never) : never;

export class Kernel implements Channel {
  readonly page = "p";
  readonly posted: ToKernel[] = [];
  #n = 0;
  #listener: (message: FromKernel) => void = () => {};
  #onGone: () => void = () => {};

  post = (message: ToKernel): void => void this.posted.push(message);

  receive(listener: (message: FromKernel) => void): void {
    this.#listener = listener;
  }

  onGone(listener: () => void): void {
    this.#onGone = listener;
  }

  end(): void {
    this.#onGone();
  }

  send(message: Unnumbered): void {
    this.#listener({ n: ++this.#n, ...message } as FromKernel);
  }

  /** A message that never arrives. */
  lose(): void {
    this.#n += 1;
  }

  sendRecords(feed: string, stream: string, from: number, to: number): void {
    const logs = [];
    for (let seq = from; seq <= to; seq++) {
      logs.push({ seq, ts: 0, level: "info" as const, message: `line ${seq}`, source: "stdout" as const });
    }
    this.send({ type: "frames", feed, frames: [["logs", { stream, logs, cursor: to }]] });
  }

  last<T extends ToKernel["type"]>(type: T): Extract<ToKernel, { type: T }> | undefined {
    return this.posted.findLast((message): message is Extract<ToKernel, { type: T }> => message.type === type);
  }

  count(type: ToKernel["type"]): number {
    return this.posted.filter((message) => message.type === type).length;
  }

  answer(id: string, body: string, status = 200): void {
    this.send({ type: "response", id, status, headers: { "content-type": "application/json" } });
    for (const part of body.match(/[\s\S]{1,7}/g) ?? []) this.send({ type: "chunk", id, base64: btoa(part) });
    this.send({ type: "end", id });
  }
}
