"""Arguments of the verbs on servers and shells: mcp, server, backends, doctor, completion. Command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .declaring import complete_backends, declare

if TYPE_CHECKING:
    from .declaring import Verbs

_MCP = """\
For assistants that start programs instead of connecting to addresses: JSON-RPC messages, one a line, on standard input
and output. It finds the server as run() does. A Jupyter server must have c.LogStream.mcp = True.
"""


def add_mcp(verbs: Verbs) -> None:
    """Declare `mcp`."""
    declare(
        verbs,
        "mcp",
        "connect an assistant (Model Context Protocol) to the log server",
        _MCP,
        module="mcp_bridge",
        needs_server=False,
    )


_SERVER = """\
The private log server of this user. run() starts it where there is no Jupyter server with jupyter-logstream; it ends
by itself when it has no workloads and no clients, and gives its store to a Jupyter server that starts.
Workloads outlive it.

exit codes: 0 done or running, 1 failed, 2 wrong arguments, 3 not running (status)
"""


def add_server(verbs: Verbs) -> None:
    """Declare `server`."""
    parser = declare(
        verbs, "server", "start, stop or describe the private log server of this user", _SERVER, needs_server=False
    )
    parser.add_argument(
        "action", nargs="?", choices=["start", "stop", "status"], default="status", help="default: status"
    )


_BACKENDS = """\
With --check, tries each of them (or only NAME) from the server: can its machine be reached, is Python there, can its
folder be written to, are the scheduler's commands there. Folders on its machine that belong to no workload of this
server are listed.

exit codes: 0 every check passed, 1 one failed, 2 wrong arguments, 69 no log server
"""


def add_backends(verbs: Verbs) -> None:
    """Declare `backends`."""
    parser = declare(
        verbs, "backends", "list the backends of the log server, and what each supports", _BACKENDS, module="doctor"
    )
    check = parser.add_argument(
        "--check", nargs="?", const="", metavar="NAME", help="try each backend, or only NAME, and name what to do"
    )
    check.completer = complete_backends  # type: ignore[attr-defined] # argcomplete's hook


_DOCTOR = """\
Reports which log server is used and how it was found (a private one is started if there is none), its version and
store, and whether each backend works.

exit codes: 0 all is well, 1 something does not work, 69 no log server
"""


def add_doctor(verbs: Verbs) -> None:
    """Declare `doctor`."""
    declare(verbs, "doctor", "check the log server and its backends, and name what to do", _DOCTOR)


_COMPLETION = """\
bash, in ~/.bashrc:                      eval "$(jupyter-logstream completion bash)"
zsh, in ~/.zshrc, behind compinit:       eval "$(jupyter-logstream completion zsh)"
fish, in ~/.config/fish/config.fish:     jupyter-logstream completion fish | source

Completes verbs, options, ids and names of workloads, of `jupyter-logstream` and of `jupyter` with all its commands.
"""


def add_completion(verbs: Verbs) -> None:
    """Declare `completion`."""
    text = "print the script that completes arguments in a shell"
    parser = declare(verbs, "completion", text, _COMPLETION, needs_server=False)
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="the shell")
