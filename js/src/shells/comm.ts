// Entry point of the connection through the kernel, for pages that cannot reach the server. Page.
// The kernel sends it together with the views (`kernel/relay/views.py`).

export { openComm } from "../net/comm/comm-session.js";
