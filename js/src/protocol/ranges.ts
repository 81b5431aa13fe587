// A half-open range of positions. Types only.

export interface Range {
  readonly from: number;
  readonly to: number;
}
