"""Options of the access of assistants. Server."""

from __future__ import annotations

from traitlets import Bool, HasTraits, default


class McpOptions(HasTraits):
    """The options `c.LogStream.mcp` and `c.LogStream.mcp_write`."""

    private: Bool[bool, bool | int]  # of LogStream

    mcp = Bool(
        help="Whether assistants can read workloads and logs at {base_url}logstream/mcp (docs/assistants.md). Default: "
        "off; on in a private server, which only its user reaches."
    ).tag(config=True)
    mcp_write = Bool(False, help="Whether assistants can start and cancel workloads there.").tag(config=True)

    @default("mcp")
    def _default_mcp(self) -> bool:
        return self.private
