// JupyterLab's packages for the tests: what src/jupyterlab.d.ts declares and the page gives us at run time. The browser
// tests see the real ones.
import type { Widget } from "@lumino/widgets";

export const ILabShell = { name: "ILabShell" };
export const ILayoutRestorer = { name: "ILayoutRestorer" };
export const ICommandPalette = { name: "ICommandPalette" };

export class WidgetTracker<T extends Widget> {
  readonly #widgets = new Set<T>();

  async add(widget: T): Promise<void> {
    this.#widgets.add(widget);
    widget.disposed.connect(() => this.#widgets.delete(widget));
  }

  find(matches: (widget: T) => boolean): T | undefined {
    return [...this.#widgets].find(matches);
  }
}
