// Many pages at once: so many connections of our own ladder to one stream. Node; a process of its own.
//
//     node herd.mjs MODULE URL TOKEN COUNT     MODULE: js/src/net/connection.ts as JavaScript; URL: of a v1/events
//
// Says on a line of JSON what becomes of each: {"client", "rung", "at"} (Unix ms), and {"client", "done": seq} at the
// end of the log, where seq is the last record that it had; {"client", "wrong"} if one was missing or came twice.

const [module, url, token, count] = process.argv.slice(2);
const { Connection } = await import(module);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

for (let client = 0; client < Number(count); client++) {
  let after = 0;
  let done = false;
  const link = {
    wanted: () => !done,
    complete: () => done,
    open: (signal) => fetch(`${url}@${after}`, { signal, headers: { Authorization: `token ${token}` } }),
    event: ({ type, data }) => {
      if (type === "ping") return;
      for (const { seq } of JSON.parse(data).logs ?? []) {
        if (seq !== after + 1) say({ client, wrong: seq, after });
        after = seq;
      }
      if (type === "done") {
        done = true;
        say({ client, done: after });
      }
    },
    room: async () => {},
    poll: async () => {
      throw new Error("not here");
    },
    refused: async (response) => {
      await response.body?.cancel();
      return "cut";
    },
    status: ({ rung }) => say({ client, rung, at: Date.now() }),
  };
  new Connection(link).start();
}
