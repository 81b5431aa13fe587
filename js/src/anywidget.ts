// The portable shell: an anywidget module around the log view. Knows traits and lifetimes, nothing of logs or network.
// Nothing is awaited before render returns: a model that takes 2 s to come up is dropped by anywidget for ever.

import { workloadSource } from "./core/source.js";
import { mountLogView } from "./views/logview.js";

/** What we use of anywidget's model. */
interface Model {
  get(trait: string): unknown;
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

interface RenderProps {
  readonly model: Model;
  readonly el: HTMLElement;
  /** Only newer anywidgets pass one; it may be aborted already. */
  readonly signal?: AbortSignal;
}

const TRAITS = "change:workload change:height";

function render({ model, el, signal }: RenderProps): () => void {
  let view: { dispose(): void } | undefined;
  const show = () => {
    view?.dispose();
    const host = document.createElement("div");
    el.replaceChildren(host);
    const protocol = Number(model.get("protocol") ?? 1);
    if (protocol > 1) {
      host.textContent = `This log needs a newer view (protocol ${protocol}): reload the page.`;
      return;
    }
    const source = workloadSource(String(model.get("workload") ?? ""));
    view = mountLogView(host, source, { height: Number(model.get("height") ?? 0) });
  };
  const cleanup = () => {
    model.off(TRAITS, show);
    view?.dispose();
    view = undefined;
  };
  if (signal?.aborted) return cleanup;
  signal?.addEventListener("abort", cleanup, { once: true });
  model.on(TRAITS, show);
  show();
  return cleanup;
}

export default { render };
