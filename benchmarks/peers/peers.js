// The other log views on the page of benchmarks/view.py: each shows the text behind a URL in an element. Runs in the
// benchmark's browser; knows nothing of ours, and leaves each peer as its own documentation shows it.

import { LazyLog } from "@melloware/react-logviewer";
import { Terminal } from "@xterm/xterm";
import { createElement } from "react";
import { createRoot } from "react-dom/client";

/** react-logviewer: streamed, following the end. */
export function reactLogviewer(host, url) {
  host.style.height = "300px";
  const root = createRoot(host);
  const log = createElement(LazyLog, { url, stream: true, follow: true, selectableLines: true, height: 300 });
  root.render(log);
  return {
    last: () => host.querySelector(".react-lazylog, [class*=lazylog]")?.textContent ?? host.textContent,
    jump: (line) => root.render(createElement(LazyLog, { url, stream: true, scrollToLine: line, height: 300 })),
  };
}

/** xterm.js: all lines kept, written as they come. */
export function xterm(host, url, lines) {
  host.style.height = "300px";
  const terminal = new Terminal({ scrollback: lines, convertEol: true, cols: 120, rows: 18 });
  terminal.open(host);
  void write(terminal, url);
  return {
    last: () => text(terminal),
    jump: (line) => terminal.scrollToLine(line - 1),
  };
}

async function write(terminal, url) {
  const reader = (await fetch(url)).body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    await new Promise((written) => terminal.write(value, written)); // its flow control: no more than it can take
  }
}

/** What the terminal shows: its buffer, since it draws to a canvas or to rows of its own. */
function text(terminal) {
  const buffer = terminal.buffer.active;
  const lines = Array.from({ length: terminal.rows }, (_, i) => buffer.getLine(buffer.viewportY + i));
  return lines.map((line) => line?.translateToString(true) ?? "").join("\n");
}
