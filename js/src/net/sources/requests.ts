// Source of the request log: live events from the hub, pages and details over HTTP. Page.
// Knows the routes of protocol v1; no DOM, no view.

import { PermanentError } from "../../protocol/errors.js";
import {
  type Detail,
  type Figures,
  MAX_LISTED_REQUESTS,
  type RequestsSource,
  type Row,
} from "../../protocol/request-log.js";
import { type Hub, pageHub } from "../hub.js";
import { currentPage, type Page } from "../page.js";
import { checked, failingSubscription } from "./source.js";

/** Rows of one polled page, the newest. */
const MAX_POLLED_ROWS = 500;

/** The request log, and the details of a call. */
export function requestsSource(page: Page = currentPage(), hub: Hub = pageHub()): RequestsSource {
  const get = async <T>(path: string) => (await (await checked(page.request(path))).json()) as T;
  return {
    // Always the same request, so that all tables of a page share one stream.
    subscribe: (listener) => hub.subscribe({ stream: "requests", tail: MAX_LISTED_REQUESTS }, listener),
    async poll() {
      const rows = get<{ requests: readonly Row[]; next: string | null }>(`v1/requests?limit=${MAX_POLLED_ROWS}`);
      const [{ requests, next }, figures] = await Promise.all([rows, get<Figures>("v1/requests/stats")]);
      return { rows: requests, figures, all: next === null };
    },
    detail: async (id) => (await get<{ readonly detail: Detail }>(`v1/requests/${encodeURIComponent(id)}`)).detail,
    addressOf({ upstream, path }, query) {
      if (upstream === null) return "";
      return new URL(`proxy/${upstream}${path ?? ""}${query === "" ? "" : `?${query}`}`, page.root).href;
    },
  };
}

/** A request log that fails with this message. */
export function unavailableRequests(message: string): RequestsSource {
  const reject = () => Promise.reject(new PermanentError(message));
  return {
    subscribe: (listener) => failingSubscription(message, listener),
    poll: reject,
    detail: reject,
    addressOf: () => "",
  };
}
