// The MIME renderer for JupyterLab and Notebook 7: shows a saved output live, without a kernel. Page.
// Knows outputs and their lifetimes, nothing about logs or the network. The server serves the views; without them it shows
// the saved lines. In untrusted notebooks it is read-only.

import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import { Widget } from "@lumino/widgets";
import { claimOutputs, MIME, readBundle } from "../protocol/saved-output.js";
import { showLog } from "./served-views.js";

/** Before the widget renderer (-10): these outputs carry a widget view as well, for other front ends. */
const RANK = -20;

export class WorkloadOutput extends Widget implements IRenderMime.IRenderer {
  #view: { dispose(): void } | undefined;
  #shown = "";

  constructor() {
    super();
    this.addClass("jupyter-logstream-output");
  }

  /** Called again when the output is updated, as at the end of the workload: the same view goes on. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const { workload, upstream, protocol, saved } = readBundle(model.data[MIME]);
    const shown = JSON.stringify([workload, upstream, protocol, model.trusted]);
    if (shown === this.#shown || this.isDisposed) return;
    this.#shown = shown;
    this.#view?.dispose();
    const host = document.createElement("div");
    this.node.replaceChildren(host);
    this.#view = showLog(host, { workload, upstream, protocol, height: 0, saved, readOnly: !model.trusted });
  }

  override dispose(): void {
    this.#view?.dispose();
    this.#view = undefined;
    super.dispose();
  }
}

const rendererFactory: IRenderMime.IRendererFactory = {
  safe: true,
  mimeTypes: [MIME],
  defaultRank: RANK,
  createRenderer: () => new WorkloadOutput(),
};

const extension: IRenderMime.IExtension = {
  id: "jupyter-logstream:output",
  description: "Shows the log of a workload, live, without a kernel.",
  dataType: "json",
  // JupyterLab evaluates this module even if the extension is disabled, but does not read the factory then.
  get rendererFactory() {
    claimOutputs();
    return rendererFactory;
  },
  rank: RANK,
};

export default extension;
