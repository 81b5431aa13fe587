// Load generator: many connections with the page's own backoff to one stream. Node; a process of its own.
//
//     node herd.mjs MODULE URL TOKEN COUNT     MODULE: js/src/net/connection.ts as JavaScript; URL: of a v1/events
//
// Prints a line of JSON for each event of a client: {"client", "rung", "at"} (Unix ms), and {"client", "done": seq} at the
// end of the log, where seq is the last record that it had; {"client", "wrong"} if one was missing or came twice.

const [module, url, token, count] = process.argv.slice(2);
const { Connection } = await import(module);
const emit = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

for (let client = 0; client < Number(count); client++) {
  let after = 0;
  let done = false;
  const handler = {
    isNeeded: () => !done,
    isComplete: () => done,
    open: (signal) => fetch(`${url}@${after}`, { signal, headers: { Authorization: `token ${token}` } }),
    onEvent: ({ type, data }) => {
      if (type === "ping") return;
      for (const { seq } of JSON.parse(data).logs ?? []) {
        if (seq !== after + 1) emit({ client, wrong: seq, after });
        after = seq;
      }
      if (type === "done") {
        done = true;
        emit({ client, done: after });
      }
    },
    drained: async () => {},
    poll: async () => {
      throw new Error("not supported");
    },
    onRejected: async (response) => {
      await response.body?.cancel();
      return "cut";
    },
    onStatus: ({ rung }) => emit({ client, rung, at: Date.now() }),
  };
  new Connection(handler).start();
}
