// The parts of a log's view and how they are put together: what each asks of the others, and where it stands. DOM only; when
// they are painted, and for how long they live, is logview.ts.

import { Log } from "../../log/log.js";
import { Overview } from "../../log/overview/overview.js";
import type { LogSource } from "../../protocol/log-source.js";
import { isEmpty } from "../../protocol/query.js";
import type { SavedLog } from "../../protocol/types.js";
import { Announcer } from "../dom/announcer.js";
import { element } from "../dom/dom.js";
import { attach } from "../dom/host.js";
import overCss from "../dom/overlay.css?inline";
import { resizeHandle, setHeight } from "../dom/size.js";
import wrapCss from "../dom/wrap.css?inline";
import { Commands } from "./commands.js";
import { FilterBar } from "./filter-bar.js";
import findCss from "./find.css?inline";
import { Header } from "./header.js";
import { LineList } from "./line-list.js";
import { LineSelection } from "./line-selection.js";
import textCss from "./line-text.css?inline";
import linesCss from "./lines.css?inline";
import css from "./log-view.css?inline";
import menuCss from "./menu.css?inline";
import narrowCss from "./narrow.css?inline";
import { Notices } from "./notices.js";
import { LogPanels, overviewCss } from "./panels/panels.js";
import { preferences, setPreferences } from "./preferences.js";
import { ScrollbarMarks } from "./scrollbar-marks.js";
import stepsCss from "./steps.css?inline";
import { Steps } from "./steps.js";
import treeCss from "./tree.css?inline";

const LINES = linesCss + textCss + treeCss + overCss;
const CSS = css + LINES + overviewCss + findCss + menuCss + stepsCss + narrowCss + wrapCss;

export class LogViewParts {
  readonly log: Log;
  readonly overview: Overview;
  readonly list: LineList;
  readonly notices: Notices;
  readonly marks: ScrollbarMarks;
  readonly filters: FilterBar;
  readonly selection: LineSelection;
  readonly commands: Commands;
  readonly panels: LogPanels;
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
    this.log = new Log(source, changed, options.saved?.job);
    this.overview = new Overview(source, this.log.lines, changed);
    this.log.listener = this.overview;
    this.list = new LineList(this.log, source, this.#view, changed);
    const { viewport } = this.list;
    this.notices = new Notices(viewport.element, options.saved, source.title, () => viewport.follow(true));
    this.marks = new ScrollbarMarks((filter, parts, signal) => source.matchDensity(filter, parts, signal));
    this.filters = this.#makeFilters(source);
    this.selection = new LineSelection(this.list, source, () => this.filters.filter, changed);
    this.commands = new Commands({
      ...{ view: this.#view, log: this.log, source, list: this.list, filters: this.filters, selection: this.selection },
      ...{ histogram: this.overview.histogram, say: (text: string) => this.notices.say(text), changed },
      read: (text) => this.announcer.read(text),
    });
    this.panels = new LogPanels(
      this.overview,
      {
        jump: (seq) => this.commands.show(seq),
        step: (name) => void this.commands.toStep(name),
        stretch: (stretch) => void this.commands.toStretch(stretch),
      },
      options.saved,
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
    const { overview, panels, commands, selection, filters, marks, notices, list, log } = this;
    for (const part of [overview, panels, commands, selection, filters, marks, notices, list, log.lines])
      part.dispose();
  }

  #makeHeader(source: LogSource, options: LogViewOptions): Header {
    const { viewport } = this.list;
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
    const { list, log, overview } = this;
    return new FilterBar(source, {
      choose: (filter, around) => {
        list.viewport.lockHeight(!isEmpty(filter) && this.#view.style.height === "");
        list.applyFilter(filter, around);
        overview.filter = filter;
      },
      highlight: (highlight) => {
        list.highlight = highlight;
        this.#changed();
      },
      reveal: (seq, key) => {
        void list.reveal(seq, key);
        this.#changed();
      },
      place: () => ({ seq: list.viewport.following ? undefined : list.topSeq, last: log.lines.last }),
      marked: (hits) => {
        this.marks.hits = hits;
      },
      opened: () => this.filters.update(log.levels, undefined, ""),
      closed: () => this.#focus(),
    });
  }

  #arrange({ height = 0, fill }: LogViewOptions): void {
    const viewport = this.list.viewport.element;
    viewport.setAttribute("role", "log");
    viewport.setAttribute("aria-label", "Log lines");
    // A log of thousands of lines a second must not be read aloud as it comes.
    viewport.setAttribute("aria-live", "off");
    const { notice, kept, empty, news, toast } = this.notices;
    const { goto, elements } = this.commands;
    const over = element("div", "over", this.selection.element, goto.element, toast);
    const body = element("div", "body", viewport, kept, empty, news, over);
    body.append(this.marks.element);
    const { header, steps, panels, filters } = this;
    this.#view.append(header.element, steps.element, panels.element, filters.element, notice, body);
    if (fill) {
      this.#view.style.height = "100%"; // as with a height of its own, the lines take what there is
    } else {
      setHeight(this.#view, height > 0 ? height : preferences().height);
      this.#view.append(resizeHandle(this.#view, (height) => setPreferences({ height })));
    }
    this.#view.append(this.announcer.element, ...elements);
  }

  #focus(): void {
    this.list.viewport.element.focus({ preventScroll: true });
  }
}

export interface LogViewOptions {
  /** Height of the whole view in px; 0: as tall as its content, up to a default, or as the user has last dragged one. */
  readonly height?: number;
  /** As tall as the place it is put in. */
  readonly fill?: boolean;
  /** Shown where the log can't be had. */
  readonly saved?: SavedLog | undefined;
  /** No button that changes anything. */
  readonly readOnly?: boolean;
}
