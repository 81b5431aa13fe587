// Types of the JupyterLab packages used here. Declared instead of installed: the packages are 200 MB, the page provides them
// at run time (module federation), and a dozen names are used.

declare module "@jupyterlab/application" {
  import type { Widget } from "@lumino/widgets";

  type Token<T> = { readonly name: string; readonly _type?: T };

  export interface JupyterFrontEnd {
    readonly commands: {
      addCommand(
        id: string,
        options: {
          label: string | ((args: Args) => string);
          caption?: string;
          execute: (args: Args) => unknown;
        },
      ): unknown;
      execute(id: string, args?: Args): Promise<unknown>;
    };
    /** Resolves when the layout of the last session is restored. */
    readonly restored: Promise<unknown>;
    readonly shell: {
      add(widget: Widget, area: string, options?: { rank?: number }): void;
      activateById(id: string): void;
    };
  }
  export type Args = { readonly [name: string]: string };

  export interface JupyterFrontEndPlugin<T> {
    readonly id: string;
    readonly description: string;
    readonly autoStart: boolean;
    readonly optional: readonly Token<unknown>[];
    /** Receives the services in `optional`, in that order; null for missing ones. */
    activate(app: JupyterFrontEnd, ...found: never[]): T;
  }

  /** Provided by JupyterLab, not by Notebook 7. */
  export interface ILabShell {
    readonly currentWidget: Widget | null;
  }
  export const ILabShell: Token<ILabShell>;

  export interface ILayoutRestorer {
    add(widget: Widget, name: string): void;
    restore<T extends Widget>(
      tracker: import("@jupyterlab/apputils").WidgetTracker<T>,
      options: { command: string; args: (widget: T) => Args; name: (widget: T) => string },
    ): Promise<unknown>;
  }
  export const ILayoutRestorer: Token<ILayoutRestorer>;
}

declare module "@jupyterlab/apputils" {
  import type { Widget } from "@lumino/widgets";

  export interface ICommandPalette {
    addItem(item: { command: string; category: string; args?: { readonly [name: string]: string } }): unknown;
  }
  export const ICommandPalette: { readonly name: string; readonly _type?: ICommandPalette };

  export class WidgetTracker<T extends Widget> {
    constructor(options: { namespace: string });
    add(widget: T): Promise<void>;
    find(matches: (widget: T) => boolean): T | undefined;
  }
}
