// Version mismatch of kernel, server and page, which can be installed separately: the message that names the upgrade.
// Page and shared worker. Knows versions only.

import { PROTOCOL } from "./types.js";

/** The request function of a page: a path below the server's `logstream/`. */
type PageRequest = (path: string, init?: RequestInit) => Promise<Response>;

const RELOAD = "reload the page; if that does not help, upgrade jupyter-logstream where JupyterLab is installed";
const UPGRADE_SERVER = "upgrade jupyter-logstream where the Jupyter server runs, and restart it";

/** The message for an output of a kernel with this protocol version, or undefined if this page supports it. */
export function kernelMismatch(protocol: number): string | undefined {
  if (protocol >= 1 && protocol <= PROTOCOL) return undefined;
  const version = Number.isFinite(protocol) ? `protocol ${protocol}` : "an unknown protocol";
  return (
    `The kernel's jupyter-logstream speaks ${version}, this page's protocol ${PROTOCOL}: ` +
    "upgrade jupyter-logstream where the Jupyter server runs, and reload the page."
  );
}

/** The message for this server, or undefined if it is compatible or its version is unknown. Throws if it is unreachable. */
export async function serverMismatch(request: PageRequest): Promise<string | undefined> {
  const response = await request("v1/info");
  if (response.status === 404) {
    return (
      "This Jupyter server does not run jupyter-logstream: " +
      "install it where the server runs (`pip install jupyter-logstream`), and restart it."
    );
  }
  const info = (await response.json()) as { protocol?: unknown };
  if (!response.ok || info.protocol === PROTOCOL) return undefined;
  const newer = typeof info.protocol === "number" && info.protocol > PROTOCOL;
  return (
    `The server's jupyter-logstream speaks protocol ${String(info.protocol)}, this page's ${PROTOCOL}: ` +
    `${newer ? RELOAD : UPGRADE_SERVER}.`
  );
}
