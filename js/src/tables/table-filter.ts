// Filter of a table: values of one property of the rows, and words in their text. No DOM.

/** The words of a search text in lower case. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

export class TableFilter<Value extends string> {
  /** Allowed values; empty: any. */
  values: ReadonlySet<Value>;
  /** A row matches if its text contains all of them, in any case. */
  words: readonly string[] = [];

  constructor(values: ReadonlySet<Value> = new Set()) {
    this.values = values;
  }

  /** Adds or removes a value; undefined: allows any. */
  toggle(value: Value | undefined): void {
    const values = new Set(this.values);
    if (value === undefined) values.clear();
    else if (!values.delete(value)) values.add(value);
    this.values = values;
  }

  search(text: string): void {
    this.words = wordsOf(text);
  }

  /** Matches every row again. */
  clear(): void {
    this.values = new Set();
    this.words = [];
  }
}
