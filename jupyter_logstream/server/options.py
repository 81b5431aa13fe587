"""Options of the server extension, `c.LogStream`: defaults, help and checks. Server; no I/O.

Their help is the text of docs/reference/options.md: Jupyter Server's own `--help-all` lists no option of an extension.
"""

from __future__ import annotations

import os

from traitlets import Any, Bool, Bunch, Enum, Float, Int, List, TraitError, Unicode, Union, default, validate

from ..backends.configured import DEFAULT_BACKENDS
from ..store.disk.folder import MAX_PAYLOAD_BYTES
from ..store.disk.layout import MIN_LOG_BYTES
from ..text.redactor import SECRET_NAMES, BadMask, parse_masks
from ..wire.runner_socket import MAX_GRACE_S
from .authorization import ACTIONS
from .literal_dict import LiteralDict
from .mcp.options import McpOptions
from .otlp.options import OtlpOptions


class Options(McpOptions, OtlpOptions):
    """The options `c.LogStream`; a value that cannot work is refused when it is set."""

    private = Bool(False, help="Set by a private server, which gives its store to a Jupyter server.").tag(config=True)
    private_idle = Float(
        600.0,
        help="Seconds without workloads and clients after which a private server ends; JUPYTER_LOGSTREAM_IDLE_S "
        "takes precedence.",
    ).tag(config=True)

    store_dir = Unicode(
        "", help="Folder of the logs; empty: logstream/1 in Jupyter's data folder (2 for a second server ...)."
    ).tag(config=True)
    max_running = Int(None, allow_none=True, help="Maximum number of running workloads; others are queued.").tag(
        config=True
    )
    max_queued = Int(1000, help="Maximum of queued workloads; further ones are refused with 429.").tag(config=True)
    cancel_grace = Float(10.0, help="Seconds between TERM and KILL when a workload is cancelled or times out.").tag(
        config=True
    )
    linger = Float(
        3600.0,
        help="Seconds for which output of background processes that outlive their workload is added to its log; then "
        "their terminal is closed.",
    ).tag(config=True)
    log_bytes = Int(
        1 << 30,
        help="Maximum size of one log on disk, at least 256 MiB; beyond it, the oldest lines are deleted.",
    ).tag(config=True)
    total_bytes = Int(
        10 << 30, help="Maximum size of all logs; beyond it, the oldest ended workloads are deleted."
    ).tag(config=True)
    max_age_days = Float(30.0, help="Days after which an ended workload and its log are deleted.").tag(config=True)
    max_payload_bytes = Int(
        MAX_PAYLOAD_BYTES, min=0, help="Maximum size of a function with its data, and of its result, in bytes."
    ).tag(config=True)
    secret_names = List(
        Unicode(),
        list(SECRET_NAMES),
        help="Environment variables whose values (8 bytes or more) are masked: globs, case-insensitive.",
    ).tag(config=True)
    masks = List(
        Any(),  # parse_masks rejects what is no string, with a message
        [],
        help="Further secrets: values of 8 bytes or more, and /regular expressions/ within a line, of which "
        "the first group, or else all, is masked.",
    ).tag(config=True)
    follow_roots = List(
        Unicode(), [], help="Folders besides the server's root below which files can be followed, links resolved."
    ).tag(config=True)
    running_is_activity = Bool(True, help="Whether a running workload keeps the server from being culled as idle.").tag(
        config=True
    )

    backends = LiteralDict(
        default_value=dict(DEFAULT_BACKENDS),
        help='Where workloads can run: {"name": {"type": "local"}}; type is "local" or an import string '
        '"package.module:factory", further keys are settings of the type. It replaces the default, which has "local".',
    ).tag(config=True)
    public_url = Unicode(
        help="This server's URL, with its base URL, for runners on other machines that connect to it (Ray). Default: "
        "JUPYTERHUB_PUBLIC_URL, else this machine's address on the way to them and the server's port."
    ).tag(config=True)
    upstreams = Union(
        [LiteralDict(), Unicode()],  # check_upstreams rejects a string, with a message
        help='Upstreams of the proxy: {"name": {"url": "https://...", "headers": {...}}}; see docs/proxy.md.',
    ).tag(config=True)
    request_bodies = Int(
        0, min=0, help="Bytes of each request's and response's body that the request log retains, redacted; 0: none."
    ).tag(config=True)
    owner = Unicode(
        help="The user of this server, who is allowed all actions; others have `visitor_actions`. Empty: all users are "
        "treated alike. Default: JUPYTERHUB_USER."
    ).tag(config=True)
    visitor_actions = List(
        Enum(ACTIONS),
        ["read"],
        help="What users other than the owner can do, if the Authorizer allows it: read, write (publish, delete), "
        "execute (start, cancel, input, proxy).",
    ).tag(config=True)
    request_listeners = Int(100, min=0, help="Maximum of clients that read the stream of the request log.").tag(
        config=True
    )

    @default("owner")
    def _default_owner(self) -> str:
        return os.environ.get("JUPYTERHUB_USER", "")

    @validate("cancel_grace", "linger")
    def _check_seconds(self, proposal: Bunch) -> float:
        seconds = float(proposal["value"])
        if not 0 <= seconds <= MAX_GRACE_S:  # false for NaN too
            raise TraitError(
                f"c.LogStream.{proposal['trait'].name} must be 0 to {MAX_GRACE_S:g} seconds, not {seconds}"
            )
        return seconds

    @validate("log_bytes")
    def _check_log_bytes(self, proposal: Bunch) -> int:
        size = int(proposal["value"])
        if size < MIN_LOG_BYTES:  # a log keeps the newest segment of each of its files
            raise TraitError(f"c.LogStream.log_bytes must be at least {MIN_LOG_BYTES} (256 MiB), not {size}")
        return size

    @validate("masks")
    def _check_masks(self, proposal: Bunch) -> list[str]:
        try:
            parse_masks(proposal["value"])
        except BadMask as error:
            raise TraitError(f"c.LogStream.masks{error}") from None
        return list(proposal["value"])
