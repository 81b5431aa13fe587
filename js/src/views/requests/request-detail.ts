// Detail panel below a row of the request table: times, fields, headers, and bodies if they are retained. DOM only;
// the detail is fetched from an injected source.

import type { Body, Detail, Headers, Row } from "../../protocol/request-log.js";
import { brief, bytes, curlOf, dollars, took } from "../../tables/requests/request-labels.js";
import { isOpen } from "../../tables/requests/requests.js";
import { copyText } from "../dom/clipboard.js";
import { button, element, setText } from "../dom/dom.js";
import type { RowPanel } from "../table/table-body.js";
import { panelRow } from "../table/table-cells.js";

export const DETAIL_PX = 280;

export interface DetailSource {
  detail(id: string): Promise<Detail>;
  addressOf(row: Row, query: string): string;
}

export class RequestDetail implements RowPanel {
  readonly #cell = element("div", "requestdetail");
  readonly height = DETAIL_PX;
  readonly element = panelRow(this.#cell, DETAIL_PX);
  readonly #source: DetailSource;
  readonly #waited = element("span", "waited");
  readonly #streamed = element("span", "streamed");
  readonly #times = element("span", "times");
  readonly #facts = element("dl", "facts");
  readonly #details = element("div", "kept");
  readonly #copied = element("span", "copied");
  #row: Row;
  #detail: Detail | undefined;
  #requestedFor = "";

  constructor(source: DetailSource, row: Row) {
    this.#source = source;
    this.#row = row;
    const bar = element("div", "timeline", this.#waited, this.#streamed);
    const copy = button(
      "copycurl",
      "Copy as curl",
      "Copy as curl: this call as a command",
      () => void this.#copy(),
      "copy",
    );
    this.#copied.setAttribute("role", "status");
    this.#cell.append(bar, element("div", "line", this.#times, copy, this.#copied));
    this.#cell.append(element("div", "known", this.#facts, this.#details));
    this.#cell.tabIndex = 0; // it can overflow, and keyboard users must be able to scroll it
    this.#cell.dataset["lmSuppressShortcuts"] = "true";
    copy.dataset["lmSuppressShortcuts"] = "true";
  }

  update(row: Row, now: number): void {
    const before = this.#row;
    this.#row = row;
    this.#paintTimes(row, now);
    if (before !== row || this.#requestedFor === "") this.#paintFacts(row);
    // The server writes the detail when the call starts and when it ends.
    const wanted = `${row.id} ${isOpen(row)}`;
    if (wanted === this.#requestedFor) return;
    this.#requestedFor = wanted;
    void this.#load(row.id);
  }

  #paintTimes(row: Row, now: number): void {
    const whole = took(row, now) ?? 0;
    const first = row.time_to_first_chunk_ms;
    const part = whole === 0 ? 0 : Math.min(1, (first ?? whole) / whole);
    this.#waited.style.width = `${(part * 100).toFixed(1)}%`;
    this.#streamed.style.width = `${((1 - part) * 100).toFixed(1)}%`;
    const started = new Date(row.initial_time).toLocaleTimeString();
    const waited = first === null ? "" : `first chunk after ${brief(first)}`;
    const ended = isOpen(row) ? `running for ${brief(whole)}` : whole > 0 ? `took ${brief(whole)}` : "";
    setText(this.#times, [`Started ${started}`, waited, ended].filter(Boolean).join(", "));
  }

  #paintFacts(row: Row): void {
    const facts: [string, string | null][] = [
      ["Call", `${row.method ?? ""} ${row.path ?? ""}`.trim()],
      ["Answer", row.http_status === null ? null : `HTTP ${row.http_status}`],
      ["Error", row.error],
      [
        "Model",
        row.response_model === row.model ? row.model : [row.model, row.response_model].filter(Boolean).join(" → "),
      ],
      ["Tokens", tokensOf(row)],
      ["Finish reason", row.finish_reason ?? null],
      ["Cost", dollars(row.cost_usd)],
      ["Bytes", bytesOf(row)],
      ["Session", row.session],
      ["Workload", row.workload_id],
      ["Cell", row.cell],
      ["Id", row.id],
    ];
    this.#facts.replaceChildren(...pairs(facts.filter(([, value]) => value)));
  }

  async #load(id: string): Promise<void> {
    try {
      this.#detail = await this.#source.detail(id);
    } catch (error) {
      this.#details.replaceChildren(element("p", "trouble", error instanceof Error ? error.message : String(error)));
      return;
    }
    const { query, request_headers, response_headers, request_body, response_body } = this.#detail;
    this.#details.replaceChildren(
      ...section("Query", query === undefined || query === "" ? undefined : element("pre", "", query)),
      ...section("Request headers", headersOf(request_headers)),
      ...section("Request body", bodyOf(request_body)),
      ...section("Response headers", headersOf(response_headers)),
      ...section("Response body", bodyOf(response_body)),
    );
  }

  async #copy(): Promise<void> {
    const detail = this.#detail ?? {};
    const done = await copyText(curlOf(this.#row, detail, this.#source.addressOf(this.#row, detail.query ?? "")));
    setText(this.#copied, done ? "Copied" : "Copying is blocked by the browser");
  }
}

function tokensOf({
  input_tokens: input,
  output_tokens: output,
  cached_tokens: cached,
  reasoning_tokens: reasoning,
}: Row): string {
  const parts = [
    input === null ? "" : `${input} in${cached ? ` (${cached} cached)` : ""}`,
    output === null ? "" : `${output} out${reasoning ? ` (${reasoning} reasoning)` : ""}`,
  ];
  return parts.filter(Boolean).join(", ");
}

function bytesOf({ request_bytes: sent, response_bytes: received }: Row): string {
  const parts = [sent === null ? "" : `${bytes(sent)} sent`, received === null ? "" : `${bytes(received)} received`];
  return parts.filter(Boolean).join(", ");
}

function section(title: string, content: Node | undefined): Node[] {
  return content === undefined ? [] : [element("div", "title", title), content];
}

function headersOf(headers: Headers | undefined): Node | undefined {
  if (headers === undefined || headers.length === 0) return undefined;
  return element("dl", "headers", ...pairs(headers));
}

function bodyOf(body: Body | undefined): Node | undefined {
  if (body === undefined || body.bytes === 0) return undefined;
  const cut = body.whole ? "" : `\n… (${bytes(body.bytes)} in all)`;
  return element("pre", "", body.text + cut);
}

function pairs(values: readonly (readonly [string, string | null])[]): Node[] {
  return values.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value ?? "")]);
}
