// Composition of a log view: creates its parts, connects them, and arranges their elements. DOM only.
// log-view.ts owns the lifetime and decides when to paint.

import { Log } from "../../log/log.js";
import { Overview } from "../../log/overview/overview.js";
import type { LogSource } from "../../protocol/log-source.js";
import { isEmpty } from "../../protocol/query.js";
import type { SavedLog } from "../../protocol/types.js";
import { Announcer } from "../dom/announcer.js";
import { element } from "../dom/dom.js";
import { attach } from "../dom/host.js";
import { resizeHandle, setHeight } from "../dom/size.js";
import { Commands } from "./commands.js";
import { css } from "./css.js";
import { FilterBar } from "./filter-bar.js";
import { Header } from "./header.js";
import { LineList } from "./line-list.js";
import { LineSelection } from "./line-selection.js";
import { Notices } from "./notices.js";
import { LogPanels } from "./panels/panels.js";
import { preferences, setPreferences } from "./preferences.js";
import { ScrollbarMarks } from "./scrollbar-marks.js";

export interface LogViewOptions {
  /** Height of the view in px; 0 (default): as tall as its content up to a limit, or the height the user last dragged. */
  readonly height?: number;
  /** Fills its container. */
  readonly fill?: boolean;
  /** What the notebook saved of the log; shown when the log is unavailable. */
  readonly saved?: SavedLog | undefined;
  /** Hides the buttons that change the workload. */
  readonly readOnly?: boolean;
}

/** Why a view must be painted. */
export interface LogViewChanges {
  /** The user did something, or what was fetched for the visible rows has arrived. */
  changed(): void;
  /** The log changed. */
  logChanged(): void;
}

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
  readonly announcer = new Announcer();
  readonly #view = element("section", "view");
  readonly #changed: () => void;

  constructor(host: HTMLElement, source: LogSource, options: LogViewOptions, changes: LogViewChanges) {
    const { changed, logChanged } = changes;
    this.#changed = changed;
    host.dataset["workload"] = source.workload;
    attach(host, this.#view, { name: "log", label: source.title ?? "Log", css, fill: options.fill });
    this.log = new Log(source, logChanged, options.saved?.job);
    this.overview = new Overview(source, this.log.lines, logChanged);
    this.log.listener = this.overview;
    this.list = new LineList(this.log, source, this.#view, changed);
    const { viewport } = this.list;
    this.notices = new Notices(viewport.element, options.saved, source.title, () => viewport.follow(true));
    this.marks = new ScrollbarMarks((filter, parts, signal) => source.matchDensity(filter, parts, signal));
    this.filters = this.#createFilters(source);
    this.selection = new LineSelection(this.list, source, () => this.filters.filter, changed);
    this.commands = new Commands({
      ...{ view: this.#view, log: this.log, source, list: this.list, filters: this.filters, selection: this.selection },
      ...{ histogram: this.overview.histogram, changed },
      toast: (text) => this.notices.toast(text),
      announce: (text) => this.announcer.announce(text),
    });
    this.panels = this.#createPanels(options, logChanged);
    this.header = this.#createHeader(source, options);
    this.#arrange(options);
  }

  dispose(): void {
    const { overview, panels, commands, selection, filters, marks, notices, list, log } = this;
    for (const part of [overview, panels, commands, selection, filters, marks, notices, list, log.lines]) {
      part.dispose();
    }
  }

  #createHeader(source: LogSource, options: LogViewOptions): Header {
    const { viewport } = this.list;
    const actions = {
      retry: () => this.log.retry(),
      follow: () => viewport.follow(!viewport.following),
      cancel: () => void this.log.cancel(),
      find: () => this.filters.open(),
      level: (level: Parameters<FilterBar["toggleLevel"]>[0]) => this.filters.toggleLevel(level),
      menu: () => this.commands.menu(this.header.menu),
      download: (event: Event) => this.commands.downloadComplete(event),
    };
    return new Header(actions, source.downloadUrl, options.readOnly ?? false, source.title);
  }

  #createPanels({ saved }: LogViewOptions, changed: () => void): LogPanels {
    const actions = {
      jump: (seq: number) => this.commands.show(seq),
      jumpToStep: (name: string) => void this.commands.jumpToStep(name),
      filterStep: (name: string | undefined) => this.filters.filterStep(name),
      showTimeRange: (range: Parameters<Commands["showTimeRange"]>[0]) => void this.commands.showTimeRange(range),
    };
    return new LogPanels(this.overview, actions, changed, saved);
  }

  #createFilters(source: LogSource): FilterBar {
    const { list, log, overview } = this;
    return new FilterBar(source, {
      applyFilter: (filter, around) => {
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
      position: () => ({ seq: list.viewport.following ? undefined : list.topSeq, last: log.lines.last }),
      showDensity: (hits) => {
        this.marks.hits = hits;
      },
      onOpen: () => this.filters.update(log, undefined, ""),
      onClose: () => this.#focusLines(),
    });
  }

  #arrange({ height = 0, fill }: LogViewOptions): void {
    const viewport = this.list.viewport.element;
    viewport.setAttribute("role", "log");
    viewport.setAttribute("aria-label", "Log lines");
    viewport.setAttribute("aria-live", "off"); // thousands of lines a second must not be read aloud
    const { notice, saved, empty, newLines, toastElement } = this.notices;
    const { goToLine, popups } = this.commands;
    const overlay = element("div", "over", this.selection.element, goToLine.element, toastElement);
    const body = element("div", "body", viewport, saved, empty, newLines, overlay);
    body.append(this.marks.element);
    const { header, panels, filters } = this;
    this.#view.append(header.element, header.lostLink, panels.element, filters.element, notice, body);
    if (fill) {
      this.#view.style.height = "100%"; // a view with a height gives the lines all remaining space
    } else {
      setHeight(this.#view, height > 0 ? height : preferences().height);
      this.#view.append(resizeHandle(this.#view, (px) => setPreferences({ height: px })));
    }
    this.#view.append(this.announcer.element, ...popups);
  }

  #focusLines(): void {
    this.list.viewport.element.focus({ preventScroll: true });
  }
}
