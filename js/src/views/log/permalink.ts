// Links to a line: the page's address with `#logstream=WORKLOAD:SEQ`. DOM only.
// Jupyter can change the address before any view is mounted, so it is read when this module is loaded.

const PARAMETER = "logstream";

export function linkTo(workload: string, seq: number): string {
  return `${location.href.split("#")[0]}#${PARAMETER}=${workload}:${seq}`;
}

/** The line of this workload that a fragment links to. */
export function lineIn(hash: string, workload: string): number | undefined {
  const found = new RegExp(`#(?:.*&)?${PARAMETER}=([A-Za-z0-9_-]{1,64}):([0-9]{1,15})$`).exec(hash);
  return found?.[1] === workload ? Number(found[2]) : undefined;
}

/** The fragment that the page was opened with, until the first view of its workload has used it. */
let initialHash = typeof location === "undefined" ? "" : location.hash;

/** Calls `show` with the line that the page was opened with and for each link that is followed later. Returns a disposer. */
export function followLinks(workload: string, show: (seq: number) => void): () => void {
  const seq = lineIn(initialHash, workload);
  if (seq !== undefined) {
    initialHash = "";
    show(seq);
  }
  const onHashChange = () => {
    const line = lineIn(location.hash, workload);
    if (line !== undefined) show(line);
  };
  window.addEventListener("hashchange", onHashChange);
  return () => window.removeEventListener("hashchange", onHashChange);
}
