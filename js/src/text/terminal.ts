// Terminal emulation of one line: its text as a terminal shows it, with colours and links. Page; pure, no DOM.
// The server draws the records of an output in the same way (jupyter_logstream/text/terminal.py), published records come as
// they are; tests/vectors/terminal.json tests both. Most lines need no screen: their sequences are removed. A line that
// moves the cursor is drawn on a small grid of cells. Of all control sequences three stay: SGR (colours), OSC 8 (links to
// http, https, mailto), and at the beginning OSC 9;4 (a progress bar). Sources: ECMA-48, xterm's ctlseqs.
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control sequences begin with one

import { NARROW } from "./cell-width.js";
import { Screen } from "./screen.js";

export const IMAGE_LABEL = "[image]";
const MAX_SGR_RUN = 32;

/** A character that a terminal acts on: a text without one is shown as it is. */
export const ACTIVE = /[\x1b\b\r\x90\x98\x9b-\x9f]/;
/** The 8-bit forms of control sequences. */
const C1 = /[\x90\x98\x9b-\x9f]/g;

const STRING = String.raw`\x1b(?:\][^\x07\x1b\x18\x1a]*(?:\x07|\x1b\\|[\x18\x1a])?|[PX^_][^\x1b\x18\x1a]*(?:\x1b\\|[\x18\x1a])?)`;
const SEQUENCES = String.raw`(${STRING})|\x1b\[([0-?]*[ -/]*[@-~]?)|\x1b([ -/]*[0-~]?)`;
const SEQUENCE = new RegExp(SEQUENCES, "g");
const TOKEN = new RegExp(String.raw`${SEQUENCES}|([\r\b\t\x0e\x0f])|([^\x1b\r\b\t\x0e\x0f]+)`, "g");
const MOVES = new RegExp(
  String.raw`[\b\r]|\x1b\[[0-?]*[A-IZ${"`"}adefsu]|\x1b\[[1-9][0-9]*[KJ]|\x1b\[\?(?:47|104[79])[hl]|\x1b[()]0|\x1b[78DEM]`,
);
const STATEFUL = /[\x0e\x0f]|\x1b(?:\[[0-?]*[ABEFHJdefsu]|\[\?(?:47|104[79])[hl]|[()78DEM]|\]8)/;
const SGR = /\x1b\[[0-9;:]*m/g;
const ONE_CELL_EACH = new RegExp(`^[${NARROW}]*$`);
const NO_MOVE = String.raw`[^\x1b\b\t\x0e\x0f]*`;
const ERASES_REST = new RegExp(String.raw`^${NO_MOVE}(?:\x1b\[[0-9;:]*m${NO_MOVE})*\x1b\[[02]?K`);
const SGR_RUN = /(?:\x1b\[[0-9;:]*m){2,}/g;

const LINK = /^(?:https?:\/\/|mailto:)[!-~]{1,2048}$/i;
const IMAGE = /^\x1b(?:\]1337;(?:Multipart)?File=(?:[^:]*;)?inline=1|P[0-9;]*q|_G(?:[^;]*,)?a=[Tp])/;
const PROGRESS = /^9;4;([0-4])(?:;(\d{1,3}))?$/;

/** The text that a terminal shows in the end, with SGR and OSC 8. Lines of a text of several are independent. */
export function terminalText(text: string): string {
  if (!ACTIVE.test(text)) return text;
  return text
    .replace(C1, (char) => `\x1b${String.fromCharCode(char.charCodeAt(0) - 0x40)}`)
    .split("\n")
    .map(lineText)
    .join("\n");
}

function lineText(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end -= 1; // not /\r+$/, which takes quadratic time
  const text = line.slice(0, end);
  if (MOVES.test(text)) return drawn(text);
  if (!text.replace(SGR, "").includes("\x1b")) return withShortRuns(text);
  const strings = new ControlStrings();
  const shown = text.replace(SEQUENCE, (found, string?: string, csi?: string) => {
    if (csi !== undefined) return /^[0-9;:]*m$/.test(csi) ? found : "";
    return string === undefined ? "" : strings.kept(string);
  });
  return withShortRuns(strings.progress + shown + (strings.link === "" ? "" : "\x1b]8;;\x1b\\"));
}

/** The state of control strings while a line is read. */
class ControlStrings {
  link = "";
  progress = "";

  /** What stays of a control string in a line that is not drawn. */
  kept(string: string): string {
    if (IMAGE.test(string)) return IMAGE_LABEL;
    const before = this.link;
    this.read(string);
    return this.link === before ? "" : `\x1b]8;;${this.link}\x1b\\`;
  }

  /** Takes a link or a progress bar out of a control string. */
  read(string: string): void {
    if (!string.startsWith("\x1b]")) return;
    const end = string.endsWith("\x1b\\") ? 2 : string.endsWith("\x07") ? 1 : 0;
    const body = string.slice(2, string.length - end);
    const progress = PROGRESS.exec(body);
    if (progress !== null) {
      const [, state = "", percent] = progress;
      const isShown = "124".includes(state) && percent !== undefined && Number(percent) <= 100;
      this.progress = isShown ? `\x1b]9;4;1;${Number(percent)}\x1b\\` : "";
    } else if (end > 0 && /^8;[^;]*;/.test(body)) {
      const url = body.replace(/^8;[^;]*;/, "");
      this.link = LINK.test(url) ? url : "";
    }
  }
}

function drawn(text: string): string {
  const [screen, strings] = [new Screen(), new ControlStrings()];
  for (const [, string, csi, esc, control, part] of lastRedraws(text).matchAll(TOKEN)) {
    if (part !== undefined) screen.put(part);
    else if (control !== undefined) screen.control(control);
    else if (csi !== undefined) screen.csi(csi);
    else if (esc !== undefined) screen.escape(esc);
    else if (string !== undefined && IMAGE.test(string)) screen.put(IMAGE_LABEL);
    else if (string !== undefined) {
      strings.read(string);
      screen.link = strings.link;
    }
  }
  return strings.progress + screen.text();
}

/**
 * The text without redraws that later ones cover completely; of those only the colours stay. All of a text that draws on
 * several rows, or has other state than colours.
 */
function lastRedraws(text: string): string {
  if (STATEFUL.test(text)) return text;
  const redraws = text.split("\r");
  let covered = 0;
  for (let i = redraws.length - 1; i >= 0; i--) {
    const redraw = redraws[i] ?? "";
    if (i > 0 && ERASES_REST.test(redraw)) return coloursOf(redraws.slice(0, i).join("")) + redraws.slice(i).join("\r");
    const plain = redraw.replace(SGR, "");
    if (!ONE_CELL_EACH.test(plain)) {
      if (plain.includes("\x1b")) covered = 0; // it can move what is there
      continue;
    }
    if (plain.length <= covered) redraws[i] = coloursOf(redraw);
    covered = Math.max(covered, plain.length);
  }
  return redraws.join("\r");
}

/** The SGR sequences of a text that have an effect behind it. */
function coloursOf(text: string): string {
  return withShortRuns((text.match(SGR) ?? []).join(""));
}

/** The text with runs of SGR sequences reduced to what has an effect. */
function withShortRuns(text: string): string {
  if (!text.includes("m\x1b[")) return text;
  return text.replace(SGR_RUN, (run) => {
    const all = run.match(SGR) ?? [];
    const reset = all.findLastIndex((sequence) => /\[0*m$/.test(sequence));
    return all.slice(Math.max(0, reset, all.length - MAX_SGR_RUN)).join("");
  });
}
