// Kernel, server and page may be installed apart: where they speak different protocols, a sentence that says what to
// upgrade. Knows the versions only; who shows the sentence is not its business.

/** The request function of a page: a path below the server's `logstream/`. */
export type PageRequest = (path: string, init?: RequestInit) => Promise<Response>;

import { PROTOCOL } from "./types.js";

const RELOAD = "reload the page; if that does not help, upgrade jupyter-logstream where JupyterLab is installed";
const UPGRADE_SERVER = "upgrade jupyter-logstream where the Jupyter server runs, and restart that";

/** What is wrong with an output of a kernel that speaks `protocol`; older ones are understood. */
export function kernelMismatch(protocol: number): string | undefined {
  if (protocol >= 1 && protocol <= PROTOCOL) return undefined;
  const said = Number.isFinite(protocol) ? `protocol ${protocol}` : "an unknown protocol";
  return (
    `The kernel's jupyter-logstream speaks ${said}, this page's protocol ${PROTOCOL}: ` +
    "upgrade jupyter-logstream where the Jupyter server runs, and reload the page."
  );
}

/** What is wrong with the server of the page, or undefined, also where it does not say. */
export async function serverMismatch(request: PageRequest): Promise<string | undefined> {
  const response = await request("v1/info");
  if (response.status === 404) {
    return (
      "This Jupyter server does not run jupyter-logstream: " +
      "install it where the server runs (`pip install jupyter-logstream`), and restart that."
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
