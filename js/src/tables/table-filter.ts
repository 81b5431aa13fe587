// What is picked of a list to be shown: by one property of its rows, and by words in them. No DOM.

/** What is typed to search for, as words in small letters. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

export class TableFilter<Value extends string> {
  /** Empty: any. */
  values: ReadonlySet<Value>;
  /** All of them must occur, in any case, anywhere. */
  words: readonly string[] = [];

  constructor(values: ReadonlySet<Value> = new Set()) {
    this.values = values;
  }

  /** One value more or less; undefined: any. */
  toggle(value: Value | undefined): void {
    const values = new Set(this.values);
    if (value === undefined) values.clear();
    else if (!values.delete(value)) values.add(value);
    this.values = values;
  }

  search(text: string): void {
    this.words = wordsOf(text);
  }

  /** Any row again. */
  clear(): void {
    this.values = new Set();
    this.words = [];
  }
}
