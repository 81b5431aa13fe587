// The steps of a workload as one bar, each as wide as it took time. A click on one goes to it. DOM only.

import { type Span, spans } from "../../../log/step-spans.js";
import type { Step } from "../../../protocol/types.js";
import { element, type IconName, icon, setData, setIcon, setName, setText } from "../../dom/dom.js";

const SIGNS: { readonly [state in Span["state"]]?: IconName } = {
  running: "dot",
  succeeded: "check",
  failed: "cross",
  cancelled: "slash",
  timed_out: "clock",
  lost: "question",
};

export interface StepBar {
  /** Shows these steps; none: hides. `now`: in the server's time. */
  update(steps: readonly Step[], now: number): void;
  dispose(): void;
}

export interface StepBarOptions {
  /** Show a step in the log. */
  readonly choose: (name: string) => void;
}

interface Part {
  readonly button: HTMLButtonElement;
  readonly sign: SVGElement;
  readonly name: HTMLElement;
  readonly took: HTMLElement;
}

export function mountStepBar(host: HTMLElement, { choose }: StepBarOptions): StepBar {
  const bar = element("div", "step-bar");
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Steps");
  bar.hidden = true;
  host.append(bar);
  const parts: Part[] = [];
  return {
    update(steps, now) {
      const shown = spans(steps, now);
      bar.hidden = shown.length === 0;
      while (parts.length > shown.length) parts.pop()?.button.remove();
      shown.forEach((span, i) => {
        const part = parts[i] ?? make(choose);
        if (parts[i] === undefined) {
          parts.push(part);
          bar.append(part.button);
        }
        show(part, span);
      });
    },
    dispose: () => bar.remove(),
  };
}

function make(choose: (name: string) => void): Part {
  const [sign, name, took] = [icon("dot"), element("span", "name"), element("span", "took")];
  const button = element("button", "step", sign, name, " ", took);
  button.type = "button";
  button.addEventListener("click", () => button.dataset["name"] && choose(button.dataset["name"]));
  return { button, sign, name, took };
}

function show({ button, sign, name, took }: Part, span: Span): void {
  setData(button, "state", span.state);
  setData(button, "name", span.state === "left-out" ? "" : span.name);
  setIcon(sign, SIGNS[span.state] ?? "ring");
  setText(name, span.name);
  setText(took, span.took);
  // Short ones keep room for a sign; flex-grow below 1 in all would not fill the bar.
  button.style.flexGrow = String(Math.max(0.01, Math.round(span.share * 1000) / 10));
  setName(button, `${span.name} ${span.took}${span.state === "left-out" ? "" : `, ${span.state}`}`);
}
