// What a key means in the rows of the table. Pure; no DOM.

export interface KeyContext {
  /** The row itself has the keyboard, not a button in it. */
  readonly isRow: boolean;
  readonly isOpen: boolean;
  /** Rows in sight, less one. */
  readonly page: number;
}

/** Asks whether what the row is of is to be deleted, or keeps it. */
export type DeletePrompt = "ask" | "keep";
/** So many rows down, or what is to be done; undefined: nothing of ours. */
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

/** Keys that mean something else to a button. */
function onRow(key: string, isOpen: boolean): KeyAction {
  if (key === "Enter" || key === " " || key === (isOpen ? "ArrowLeft" : "ArrowRight")) return "toggle";
  return key === "Delete" ? "ask" : undefined;
}
