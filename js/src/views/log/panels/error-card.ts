// First error of a log, pinned above the lines: its message, its line, and how often it was repeated. DOM only.

import { type ErrorCount, errorsInWords } from "../../../log/error-lines.js";
import type { FirstError } from "../../../log/overview/first-error.js";
import { thousands } from "../../../text/format.js";
import { element, icon, setText, setTitle } from "../../dom/dom.js";

export interface ErrorCard {
  /** Shows this error; undefined: none. An error that the user has hidden stays hidden. `canShow`: is its line available? */
  update(error: FirstError | undefined, canShow?: boolean, count?: ErrorCount): void;
  dispose(): void;
}

export interface ErrorCardOptions {
  /** Shows a line of the log. */
  readonly jump: (seq: number) => void;
}

export function mountErrorCard(host: HTMLElement, { jump }: ErrorCardOptions): ErrorCard {
  const title = element("span", "title");
  const counts = element("span", "counts");
  const show = element("button", "show", element("span", "label", "Show"));
  const close = element("button", "close", icon("cross"));
  for (const button of [show, close]) button.type = "button";
  close.title = "Hide the first error";
  close.setAttribute("aria-label", "Hide the first error");
  const card = element(
    "div",
    "error-card",
    icon("cross"),
    element("span", "what", "First error"),
    title,
    counts,
    show,
    close,
  );
  card.setAttribute("role", "region");
  card.setAttribute("aria-label", "First error");
  card.hidden = true;
  host.append(card);
  let shown: FirstError | undefined;
  let hiddenSeq: number | undefined;
  show.addEventListener("click", () => shown !== undefined && jump(shown.seq));
  close.addEventListener("click", () => {
    hiddenSeq = shown?.seq;
    card.hidden = true;
  });
  return {
    update(error, canShow = true, count = undefined) {
      shown = error;
      show.hidden = !canShow;
      card.hidden = error === undefined || error.seq === hiddenSeq;
      if (error === undefined) return;
      setText(title, error.title);
      setTitle(title, error.title);
      setText(counts, countsOf(error, count));
      show.title = `Show line ${thousands(error.seq)}`;
      show.setAttribute("aria-label", show.title);
    },
    dispose: () => card.remove(),
  };
}

/** `count`: the errors of the whole log; without it, or with lines that the view has not received, only lines are known. */
function countsOf({ seq, lines, repeats, errors }: FirstError, count: ErrorCount | undefined): string {
  const times = repeats > 1 ? [`${thousands(repeats)} times`] : [];
  const all = [`line ${thousands(seq)}`, ...times];
  if (count !== undefined && count.lines > count.errors) return [...all, errorsInWords(count)].join(" · ");
  return errors > lines * repeats ? [...all, `${thousands(errors)} error lines in total`].join(" · ") : all.join(" · ");
}
