// Links to a line: the address of the page with `#logstream=WORKLOAD:SEQ`. Whoever opens it sees that line once its view is
// there. Jupyter may change the address before any view is shown, so it is read when this module is loaded. DOM only.

const NAME = "logstream";

export function linkTo(workload: string, seq: number): string {
  return `${location.href.split("#")[0]}#${NAME}=${workload}:${seq}`;
}

/** The line of this workload that a link asks for. */
export function lineIn(hash: string, workload: string): number | undefined {
  const found = new RegExp(`#(?:.*&)?${NAME}=([A-Za-z0-9_-]{1,64}):([0-9]{1,15})$`).exec(hash);
  return found?.[1] === workload ? Number(found[2]) : undefined;
}

/** What the page was opened for; taken by the view that shows it, so that others don't jump, too. */
let opened = typeof location === "undefined" ? "" : location.hash;

/** Calls back with the line that the page was opened for, and for each link that is followed later. */
export function followLinks(workload: string, show: (seq: number) => void): () => void {
  const seq = lineIn(opened, workload);
  if (seq !== undefined) {
    opened = "";
    show(seq);
  }
  const onHash = () => {
    const line = lineIn(location.hash, workload);
    if (line !== undefined) show(line);
  };
  window.addEventListener("hashchange", onHash);
  return () => window.removeEventListener("hashchange", onHash);
}
