// The request log as its view sees it: live events from the hub, pages and details over HTTP. Knows the routes of protocol v1;
// no DOM, no view.

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
import { checked, refusing } from "./source.js";

/** The newest calls that are asked for at once. */
const POLLED_ROWS = 500;

/** The request log, and what is kept of a call. */
export function requestsSource(page: Page = currentPage(), hub: Hub = pageHub()): RequestsSource {
  const get = async <T>(path: string) => (await (await checked(page.request(path))).json()) as T;
  return {
    // Always the same question, so that all tables of a page are one stream.
    subscribe: (listener) => hub.subscribe({ stream: "requests", tail: MAX_LISTED_REQUESTS }, listener),
    async poll() {
      const asked = get<{ requests: readonly Row[]; next: string | null }>(`v1/requests?limit=${POLLED_ROWS}`);
      const [{ requests, next }, figures] = await Promise.all([asked, get<Figures>("v1/requests/stats")]);
      return { rows: requests, figures, all: next === null };
    },
    detail: async (id) => (await get<{ readonly detail: Detail }>(`v1/requests/${encodeURIComponent(id)}`)).detail,
    addressOf({ upstream, path }, query) {
      if (upstream === null) return "";
      return new URL(`proxy/${upstream}${path ?? ""}${query === "" ? "" : `?${query}`}`, page.root).href;
    },
  };
}

/** A request log that has nothing but the reason why. */
export function unavailableRequests(message: string): RequestsSource {
  const refuse = () => Promise.reject(new PermanentError(message));
  return { subscribe: (listener) => refusing(message, listener), poll: refuse, detail: refuse, addressOf: () => "" };
}
