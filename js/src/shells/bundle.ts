// All views and the connection through the kernel as one module, for pages that cannot load them by URL. Page.

export { openComm } from "../net/comm/comm-session.js";
export { showRequests } from "./requests.js";
export { showTable } from "./table.js";
export { showLog } from "./view.js";
