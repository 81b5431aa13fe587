// Key bindings of a table's rows. Pure; no DOM.

export interface KeyContext {
  /** Whether the row itself has the focus, not a button in it. */
  readonly isRow: boolean;
  readonly isOpen: boolean;
  /** Number of visible rows, less one. */
  readonly page: number;
}

/** "ask": ask for confirmation before deleting; "keep": do not delete. */
export type DeletePrompt = "ask" | "keep";
/** A number of rows to move down, or an action; undefined: not a key of the table. */
export type KeyAction = number | "toggle" | "search" | DeletePrompt | undefined;

export function keyAction(key: string, { isRow, isOpen, page }: KeyContext): KeyAction {
  switch (key) {
    case "ArrowUp":
      return -1;
    case "ArrowDown":
      return 1;
    case "PageUp":
      return -Math.max(1, page);
    case "PageDown":
      return Math.max(1, page);
    case "Home":
      return Number.NEGATIVE_INFINITY;
    case "End":
      return Number.POSITIVE_INFINITY;
    case "/":
      return "search";
    case "Escape":
      return "keep";
    default:
      return isRow ? onRow(key, isOpen) : undefined;
  }
}

/** Keys that have another meaning on a button. */
function onRow(key: string, isOpen: boolean): KeyAction {
  if (key === "Enter" || key === " " || key === (isOpen ? "ArrowLeft" : "ArrowRight")) return "toggle";
  return key === "Delete" ? "ask" : undefined;
}
