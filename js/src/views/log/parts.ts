// The parts of a log's view and how they are put together: what each asks of the others, and where it stands. DOM only; when
// they are painted, and for how long they live, is logview.ts.

import { Log } from "../../log/log.js";
import { Overview } from "../../log/overview/overview.js";
import type { LogSource } from "../../protocol/log-source.js";
import { isEmpty } from "../../protocol/query.js";
import type { Kept } from "../../protocol/types.js";
import { Announcer } from "../dom/announcer.js";
import { element } from "../dom/dom.js";
import { attach } from "../dom/host.js";
import overCss from "../dom/overlay.css?inline";
import { prefer, preferences } from "../dom/preferences.js";
import { resizeHandle, setHeight } from "../dom/size.js";
import wrapCss from "../dom/wrap.css?inline";
import { Commands } from "./commands.js";
import { FilterBar } from "./filter-bar.js";
import findCss from "./find.css?inline";
import { Header } from "./header.js";
import { Board } from "./line-list.js";
import { Choice } from "./line-selection.js";
import textCss from "./line-text.css?inline";
import linesCss from "./lines.css?inline";
import css from "./log-view.css?inline";
import menuCss from "./menu.css?inline";
import narrowCss from "./narrow.css?inline";
import { Words } from "./notices.js";
import { Above, overviewCss } from "./panels/panels.js";
import { ScrollMarks } from "./scrollbar-marks.js";
import stepsCss from "./steps.css?inline";
import { Steps } from "./steps.js";
import treeCss from "./tree.css?inline";

const LINES = linesCss + textCss + treeCss + overCss;
const CSS = css + LINES + overviewCss + findCss + menuCss + stepsCss + narrowCss + wrapCss;

export class Parts {
  readonly log: Log;
  readonly overview: Overview;
  readonly board: Board;
  readonly words: Words;
  readonly marks: ScrollMarks;
  readonly filters: FilterBar;
  readonly choice: Choice;
  readonly commands: Commands;
  readonly above: Above;
  readonly header: Header;
  readonly steps: Steps;
  readonly announcer = new Announcer();
  readonly #view = element("section", "view");
  readonly #changed: () => void;

  /** `changed`: something is to be painted. */
  constructor(host: HTMLElement, source: LogSource, options: LogViewOptions, changed: () => void) {
    this.#changed = changed;
    host.dataset["workload"] = source.workload;
    attach(host, this.#view, { name: "log", label: source.title ?? "Log", css: CSS, fill: options.fill });
    this.log = new Log(source, changed, options.kept?.job);
    this.overview = new Overview(source, this.log.lines, changed);
    this.log.ear = this.overview;
    this.board = new Board(this.log, source, this.#view, changed);
    const { viewport } = this.board;
    this.words = new Words(viewport.element, options.kept, source.title, () => viewport.follow(true));
    this.marks = new ScrollMarks((filter, parts, signal) => source.marks(filter, parts, signal));
    this.filters = this.#makeFilters(source);
    this.choice = new Choice(this.board, source, () => this.filters.filter, changed);
    this.commands = new Commands({
      ...{ view: this.#view, log: this.log, source, board: this.board, filters: this.filters, choice: this.choice },
      ...{ histogram: this.overview.histogram, say: (text: string) => this.words.say(text), changed },
      read: (text) => this.announcer.read(text),
    });
    this.above = new Above(
      this.overview,
      {
        jump: (seq) => this.commands.show(seq),
        step: (name) => void this.commands.toStep(name),
        stretch: (stretch) => void this.commands.toStretch(stretch),
      },
      options.kept,
    );
    this.header = this.#makeHeader(source, options);
    this.steps = new Steps({
      jump: (step) => void this.commands.toStep(step),
      only: (step) => this.filters.step(step),
      closed: () => this.#focus(),
    });
    this.#arrange(options);
  }

  dispose(): void {
    const { overview, above, commands, choice, filters, marks, words, board, log } = this;
    for (const part of [overview, above, commands, choice, filters, marks, words, board, log.lines]) part.dispose();
  }

  #makeHeader(source: LogSource, options: LogViewOptions): Header {
    const { viewport } = this.board;
    const actions = {
      retry: () => this.log.retry(),
      follow: () => viewport.follow(!viewport.following),
      cancel: () => void this.log.cancel(),
      find: () => this.filters.open(),
      level: (level: Parameters<FilterBar["toggle"]>[0]) => this.filters.toggle(level),
      menu: () => this.commands.menu(this.header.menu),
      steps: () => this.steps.toggle(),
    };
    return new Header(actions, source.downloadUrl, options.readOnly ?? false, source.title);
  }

  #makeFilters(source: LogSource): FilterBar {
    const { board, log, overview } = this;
    return new FilterBar(source, {
      choose: (filter, around) => {
        board.viewport.hold(!isEmpty(filter) && this.#view.style.height === "");
        board.choose(filter, around);
        overview.filter = filter;
      },
      highlight: (highlight) => {
        board.highlight = highlight;
        this.#changed();
      },
      reveal: (seq, key) => {
        void board.reveal(seq, key);
        this.#changed();
      },
      place: () => ({ seq: board.viewport.following ? undefined : board.seq, last: log.lines.last }),
      marked: (hits) => {
        this.marks.hits = hits;
      },
      opened: () => this.filters.update(log.levels, undefined, ""),
      closed: () => this.#focus(),
    });
  }

  #arrange({ height = 0, fill }: LogViewOptions): void {
    const viewport = this.board.viewport.element;
    viewport.setAttribute("role", "log");
    viewport.setAttribute("aria-label", "Log lines");
    // A log of thousands of lines a second must not be read aloud as it comes.
    viewport.setAttribute("aria-live", "off");
    const { notice, kept, empty, news, toast } = this.words;
    const { goto, elements } = this.commands;
    const over = element("div", "over", this.choice.element, goto.element, toast);
    const body = element("div", "body", viewport, kept, empty, news, over);
    body.append(this.marks.element);
    const { header, steps, above, filters } = this;
    this.#view.append(header.element, steps.element, above.element, filters.element, notice, body);
    if (fill) {
      this.#view.style.height = "100%"; // as with a height of its own, the lines take what there is
    } else {
      setHeight(this.#view, height > 0 ? height : preferences().height);
      this.#view.append(resizeHandle(this.#view, (height) => prefer({ height })));
    }
    this.#view.append(this.announcer.element, ...elements);
  }

  #focus(): void {
    this.board.viewport.element.focus({ preventScroll: true });
  }
}

export interface LogViewOptions {
  /** Height of the whole view in px; 0: as tall as its content, up to a default, or as the user has last dragged one. */
  readonly height?: number;
  /** As tall as the place it is put in. */
  readonly fill?: boolean;
  /** Shown where the log can't be had. */
  readonly kept?: Kept | undefined;
  /** No button that changes anything. */
  readonly readOnly?: boolean;
}
