// The worker that all pages of one server share in a browser (SharedWorker): it holds their one connection. The server
// serves it below its own address, which is how it knows where to ask. Knows nothing of what it carries.

import { WorkerHost } from "./worker-host.js";

const worker = globalThis as unknown as {
  location: Location;
  onconnect: ((event: MessageEvent) => void) | null;
};
// .../static/jupyter_logstream/hub-worker.js
const guests = new WorkerHost(new URL("../../logstream/", worker.location.href), globalThis.navigator.locks);

worker.onconnect = (event) => {
  for (const port of event.ports) guests.welcome(port);
};
