// Labels of the request table: formatted values of a row. Pure functions; no DOM.

import type { Detail, RequestStatus, Row } from "../../protocol/request-log.js";
import { duration, thousands } from "../../text/format.js";
import { isOpen } from "./requests.js";

/** The order of the filter chips. */
export const STATUSES: readonly RequestStatus[] = [
  "pending",
  "streaming",
  "completed",
  "error",
  "timeout",
  "cancelled",
  "interrupted",
];

export interface StatusBadge {
  readonly tone: "busy" | "live" | "good" | "bad" | "warn" | "off";
  readonly sign: "dot" | "ring" | "check" | "cross" | "slash" | "clock" | "question";
  readonly label: string;
}

const BADGES: { readonly [status in RequestStatus]: StatusBadge } = {
  pending: { tone: "busy", sign: "ring", label: "Pending" },
  streaming: { tone: "live", sign: "dot", label: "Streaming" },
  completed: { tone: "good", sign: "check", label: "Completed" },
  error: { tone: "bad", sign: "cross", label: "Error" },
  timeout: { tone: "bad", sign: "clock", label: "Timeout" },
  cancelled: { tone: "off", sign: "slash", label: "Cancelled" },
  interrupted: { tone: "warn", sign: "question", label: "Interrupted" },
};

export function statusBadge(status: RequestStatus): StatusBadge {
  return BADGES[status] ?? { tone: "off", sign: "question", label: status };
}

/** A short duration; "" if it is unknown. */
export function brief(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "";
  return ms < 1000 ? `${Math.round(ms)} ms` : duration(ms);
}

export function dollars(usd: number | null | undefined): string {
  if (usd === null || usd === undefined) return "";
  if (usd === 0) return "$0";
  return `$${usd >= 0.0995 ? usd.toFixed(2) : Number(usd.toPrecision(2))}`;
}

/** Input and output tokens; "" if both are unknown. */
export function tokens(input: number | null, output: number | null): string {
  if (input === null && output === null) return "";
  const one = (count: number | null) => (count === null ? "–" : thousands(count));
  return `${one(input)} / ${one(output)}`;
}

export function bytes(count: number | null): string {
  if (count === null) return "";
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

/** The model, or the route of a call without one. */
export function subject(row: Row): string {
  return row.model ?? row.response_model ?? `${row.method ?? ""} ${row.path ?? ""}`.trim();
}

/** The provider of the model, or the upstream of a call without one. */
export function serviceOf({ provider, upstream }: Row): string {
  return provider ?? upstream ?? "";
}

/** The duration in ms, so far or in all. `now` is in the server's time. */
export function took(row: Row, now: number): number | null {
  return isOpen(row) ? Math.max(0, now - row.initial_time) : row.duration_ms;
}

export function callerOf(row: Row): string {
  const notebook = row.session?.split("/").at(-1) ?? "";
  return row.workload_id === null ? notebook : `workload ${row.workload_id}`;
}

/** The call as a curl command; redacted headers are left out, Jupyter's token comes from the environment. */
export function curlOf(row: Row, detail: Detail, address: string): string {
  const parts = [`curl -N -X ${quoted(row.method ?? "GET")} ${quoted(address === "" ? (row.path ?? "") : address)}`];
  if (address !== "") parts.push('-H "Authorization: token $JUPYTER_TOKEN"');
  for (const [name, value] of detail.request_headers ?? []) {
    if (value !== "***" && !/^(?:accept-encoding|connection)$/i.test(name))
      parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  }
  const body = detail.request_body;
  if (body !== undefined && body.text !== "") parts.push(`--data-binary ${quoted(body.text)}`);
  else if ((row.request_bytes ?? 0) > 0) parts.push("--data-binary @request-body");
  return parts.join(" \\\n  ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
