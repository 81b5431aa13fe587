// A frame for outputs: Jupyter's html-manager over messages of the host page, as in VS Code and Colab. Page of the tests.
// It has no server: comms are all that connects it with the kernel.

import * as base from "@jupyter-widgets/base";
import { HTMLManager } from "@jupyter-widgets/html-manager";

/** One comm, in the form that the widget manager expects. */
class Comm {
  constructor(id) {
    this.comm_id = id;
    this.target_name = "jupyter.widget";
  }
  on_msg(listener) {
    this.onMessage = listener;
  }
  on_close(listener) {
    this.onClose = listener;
  }
  send(data) {
    parent.postMessage({ type: "comm_msg", content: { comm_id: this.comm_id, data } }, "*");
    return "sent";
  }
  close(data = {}) {
    parent.postMessage({ type: "comm_close", content: { comm_id: this.comm_id, data } }, "*");
    return "sent";
  }
}

let anywidget;
window.define = (_needed, make) => {
  anywidget = make(base);
};

/** anywidget's own module, which front ends load from the kernel's machine. */
function loader(name) {
  if (name !== "anywidget") throw new Error(`no module ${name}`);
  if (anywidget === undefined) {
    const script = document.createElement("script");
    script.textContent = window.ANYWIDGET;
    document.head.append(script);
  }
  return anywidget;
}

const manager = new HTMLManager({ loader });
const comms = new Map();
const views = new Map();

async function display(id) {
  const model = await manager.get_model(id);
  const output = document.createElement("div");
  output.className = "output";
  document.body.append(output);
  const view = await manager.create_view(model);
  views.set(id, { view, output });
  await manager.display_view(view, output);
}

const HANDLERS = {
  comm_open({ content, metadata }) {
    const comm = new Comm(content.comm_id);
    comms.set(content.comm_id, comm);
    void manager.handle_comm_open(comm, { content, metadata, buffers: [] });
  },
  comm_msg({ content }) {
    comms.get(content.comm_id)?.onMessage?.({ content, buffers: [] });
  },
  comm_close({ content }) {
    comms.get(content.comm_id)?.onClose?.({ content, buffers: [] });
    comms.delete(content.comm_id);
  },
  display: ({ id }) => display(id),
  /** An output that was scrolled out of view: the host removes it and makes it again later. */
  hide({ id }) {
    views.get(id)?.view.remove();
    views.get(id)?.output.remove();
  },
  disconnect: () => manager.disconnect(),
};

window.addEventListener("message", ({ data }) => HANDLERS[data.type]?.(data));
parent.postMessage({ type: "ready" }, "*");
