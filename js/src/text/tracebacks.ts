// Traceback grammar: where a traceback begins, continues and ends, and its title. Page; pure, no DOM.
//
// Languages: Python (chains, exception groups), Java, JavaScript, C#, Go, Rust, Ruby. A prefix that a launcher puts before
// every line (`[rank0]: `, `(pid=12) `, `app-1  | `) must precede all lines of a traceback. The grammar is a state machine
// over lines without colours: `begin` opens it, `follow` moves it on. The runner and the kernel have the same grammar
// (jupyter_logstream/text/tracebacks.py); tests/vectors/tracebacks.json tests both.

/**
 * `title`: the (newest) title; `part`: a part; `pending`: a part if a title or part follows; `blank`: an empty line,
 * likewise.
 */
export type Role = "title" | "part" | "pending" | "blank";

/** One line of a traceback: the state after it, its role, and the title if it has one. */
export interface TracebackLine {
  readonly state: State;
  readonly role: Role;
  readonly title?: string | undefined;
}

/** Where the machine is: the name of a rule set, and the prefix that every line has. */
interface State {
  readonly name: RuleSet;
  readonly prefix: string;
}

/** A whole traceback. `title`: the exception that was not caught, or its root cause. */
export interface Traceback {
  readonly length: number;
  readonly title: string;
}

/** Characters of a line that are judged. Every pattern is linear in them. */
const MAX_LINE_CHARS = 500;
const MAX_PREFIX_CHARS = 64;
const PREFIX = /^(?:\[[^\]\s]{1,40}\]: ?|\([^()]{1,60}\) |[\w.-]{1,40} +\| ?)/;
const HEADER = "Traceback (most recent call last):";
const PYTHON = /^(\s*\+ Exception Group )?Traceback \(most recent call last\):\s*$/;
const RAISED =
  /^(?!(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING)\b)[A-Za-z_]\w*(?:\.(?:[A-Za-z_]\w*|<locals>))*(?::\s|:?\s*$)/;
const GROUP_TITLE = /^\s*\|\s((?:[\w.]+\.)?\w*(?:Group|Error|Exception)\b.*)/;
const CHAIN =
  /^(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception):\s*$/;
const THROWN = /(?:Error|Exception|Throwable)\b/;
const INTRODUCTION = /Exception in thread "[^"]*" |Unhandled exception\. |Uncaught /;
const FRAME = /^\s+at \S/;
const MORE = /^\s*(?:\.\.\. \d+ (?:more|common frames omitted)|Suppressed: |--- End of .* ---$)/;
const CAUSE = /^\s*(?:Caused by: |\[cause\]: |---> )(.*)/;
const GO = /^(?:panic|fatal error): \S/;
const GOROUTINE = /^(?:goroutine \d+ \[.*\]|runtime stack):$/;
const GO_CALL = /^(?:[\w./-][^\s(]*\(.*\)$|created by )/;
const GO_EXIT = /^exit status \d+$/;
const RUST = /^thread '[^']{1,60}'(?: \(\d+\))? panicked at (?:(.*[^:])|.*:)$/;
const RUST_NOTE = /^(?:note: |stack backtrace:$)/;
const RUBY = /^\S+:\d+:in [`'][^']*': (.+ \([\w:]+\))$/;
const RUBY_FRAME = /^\s+(?:from \S|\.\.\. \d+ levels\.\.\.)/;
const INDENTED = /^[ \t]+\S/;
const BETWEEN = /^\s*(?:"""\s*)?$/; // a RemoteTraceback is quoted

/** The reading of a line that can open a traceback; undefined for every other line. */
export function begin(whole: string): TracebackLine | undefined {
  const line = whole.slice(0, MAX_LINE_CHARS);
  const prefix = PREFIX.exec(line)?.[0] ?? "";
  const text = line.slice(prefix.length);
  if (line.includes(HEADER)) return beginPython(line, prefix);
  if (GO.test(text)) return opened("go", prefix, text);
  const panic = RUST.exec(text);
  if (panic !== null) return opened(panic[1] === undefined ? "rust" : "rustNotes", prefix, panic[1]);
  const error = RUBY.exec(text);
  if (error !== null) return opened("ruby", prefix, error[1]);
  const isThrown = THROWN.test(text) && !FRAME.test(text);
  return isThrown ? opened("frames", prefix, text.replace(INTRODUCTION, "")) : undefined;
}

function beginPython(line: string, prefix: string): TracebackLine | undefined {
  const header = PYTHON.exec(line.slice(prefix.length));
  if (header !== null) return opened(header[1] === undefined ? "python" : "group", prefix);
  // Any other prefix, such as a logger's name.
  const at = line.indexOf(HEADER);
  return at <= MAX_PREFIX_CHARS && PYTHON.test(line.slice(at)) ? opened("python", line.slice(0, at)) : undefined;
}

function opened(name: RuleSet, prefix: string, title?: string): TracebackLine {
  return { state: { name, prefix }, role: "pending", title };
}

/** The reading of the next line; undefined if the line is no part of the traceback. */
export function follow(state: State, whole: string): TracebackLine | undefined {
  const line = whole.slice(0, MAX_LINE_CHARS);
  const { name, prefix } = state;
  let text = "";
  if (line.startsWith(prefix)) text = line.slice(prefix.length);
  else if (line !== prefix.trimEnd()) return undefined; // an empty line can have lost its trailing white space
  const moved = RULES[name](text);
  return moved && { state: { name: moved[0], prefix }, role: moved[1], title: moved[2] };
}

/**
 * Whether a line can continue a traceback, judged alone. False also for lines that only their predecessor identifies: a
 * panic's message, an exception behind its frames.
 */
export function canContinue(whole: string): boolean {
  const line = whole.slice(0, MAX_LINE_CHARS);
  const text = line.slice(PREFIX.exec(line)?.[0].length ?? 0);
  if (/^\s/.test(text) || text === "") return true;
  return [MORE, CAUSE, CHAIN, BETWEEN, GOROUTINE, GO_CALL, GO_EXIT, RUST_NOTE, /^(?:\}$|\[signal )/].some((one) =>
    one.test(text),
  );
}

/**
 * The traceback that begins with the line `lineAt(0)`; undefined if it opens none, or none is complete. `lineAt`: the
 * line at an offset, undefined where the text ends; at most `maxLines` are read.
 */
export function readTraceback(lineAt: (offset: number) => string | undefined, maxLines: number): Traceback | undefined {
  let found: Traceback | undefined;
  let title: string | undefined;
  let state: State | undefined;
  for (let offset = 0; offset < maxLines; offset++) {
    const line = lineAt(offset);
    const read = line === undefined ? undefined : state === undefined ? begin(line) : follow(state, line);
    if (read === undefined) break;
    state = read.state;
    title = read.title ?? title;
    if (title !== undefined && (read.role === "title" || read.role === "part"))
      found = { length: offset + 1, title: title.trim() };
  }
  return found;
}

type RuleSet =
  | "python"
  | "pythonFrames"
  | "pythonRaised"
  | "pythonEnd"
  | "pythonChain"
  | "group"
  | "groupFrames"
  | "frames"
  | "properties"
  | "go"
  | "goStack"
  | "goEnd"
  | "rust"
  | "rustNotes"
  | "ruby";
/** The next rule set, the line's role, its title. */
type Moved = readonly [name: RuleSet, role: Role, title?: string | undefined] | undefined;

const RULES: { readonly [name in RuleSet]: (text: string) => Moved } = {
  python: (text) => (INDENTED.test(text) ? ["pythonFrames", "pending"] : undefined),
  pythonFrames: (text) => {
    if (/^[ \t]/.test(text)) return ["pythonFrames", "pending"];
    return RAISED.test(text) ? ["pythonRaised", "title", text] : undefined;
  },
  pythonRaised: (text) => (INDENTED.test(text) ? ["pythonRaised", "part"] : RULES.pythonEnd(text)),
  pythonEnd: (text) => {
    if (BETWEEN.test(text)) return ["pythonEnd", "blank"];
    return CHAIN.test(text) ? ["pythonChain", "pending"] : undefined;
  },
  pythonChain: (text) => {
    if (text.trim() === "") return ["pythonChain", "pending"];
    const header = PYTHON.exec(text);
    return header === null ? undefined : [header[1] === undefined ? "python" : "group", "pending"];
  },
  group: (text) => {
    const title = GROUP_TITLE.exec(text);
    if (title !== null) return ["groupFrames", "title", title[1]];
    return INDENTED.test(text) ? ["group", "pending"] : undefined;
  },
  groupFrames: (text) => (INDENTED.test(text) ? ["groupFrames", "part"] : RULES.pythonEnd(text)),
  frames: (text) => {
    if (FRAME.test(text)) return [text.endsWith("{") ? "properties" : "frames", "part"];
    const cause = CAUSE.exec(text);
    if (cause !== null) return ["frames", "title", cause[1]];
    return MORE.test(text) ? ["frames", "part"] : undefined;
  },
  // Node prints an error's own properties in braces, with the frames of its cause.
  properties: (text) => {
    const cause = CAUSE.exec(text);
    if (cause !== null) return ["properties", "title", cause[1]];
    if (text.trimEnd() === "}") return ["frames", "part"];
    return INDENTED.test(text) ? ["properties", "part"] : undefined;
  },
  go: (text) => {
    if (GOROUTINE.test(text)) return ["goStack", "part"];
    if (/^(?:\tpanic: |\[signal )/.test(text)) return ["go", "pending"];
    return text.trim() === "" ? ["go", "blank"] : undefined;
  },
  goStack: (text) => (/^\t/.test(text) || GO_CALL.test(text) ? ["goStack", "part"] : RULES.goEnd(text)),
  goEnd: (text) => {
    if (GOROUTINE.test(text)) return ["goStack", "part"];
    if (GO_EXIT.test(text)) return ["goEnd", "part"];
    return text.trim() === "" ? ["goEnd", "blank"] : undefined;
  },
  rust: (text) => (text.trim() === "" ? undefined : ["rustNotes", "title", text]),
  rustNotes: (text) => (RUST_NOTE.test(text) || INDENTED.test(text) ? ["rustNotes", "part"] : undefined),
  ruby: (text) => (RUBY_FRAME.test(text) ? ["ruby", "part"] : undefined),
};
