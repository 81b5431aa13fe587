// Entry point of the shared worker (SharedWorker): it holds the one connection of all pages of a server in this browser.
// The server serves it below its own address, from which the worker derives the address of requests.

import { WorkerHost } from "./worker-host.js";

const worker = globalThis as unknown as {
  location: Location;
  onconnect: ((event: MessageEvent) => void) | null;
};
// .../static/jupyter_logstream/hub-worker.js
const host = new WorkerHost(new URL("../../logstream/", worker.location.href), globalThis.navigator.locks);

worker.onconnect = (event) => {
  for (const port of event.ports) host.connect(port);
};
