"""Jupyter server extension: registration, start and stop of the services. Server; no logic of its own."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp  # noqa: TC002 - as our own values
from tornado.ioloop import PeriodicCallback

from .address_file import ServerAddress
from .adoption import Adoption
from .build import build_services, open_store, owner_of, stores_folder
from .http import routes
from .options import Options
from .private_lifetime import PrivateLifetime, idle_limit_s
from .services import Services
from .store_choice import write_owner, write_pointer

_ACTIVITY_INTERVAL_MS = 30_000


class LogStream(Options, ExtensionApp):
    """Runs workloads that outlive kernel, page and server, and serves their logs."""

    name = "jupyter_logstream"
    static_paths = [str(Path(__file__).parents[1] / "static")]  # noqa: RUF012 - ExtensionApp's own; the views' bundles
    services: Services

    def initialize_settings(self) -> None:
        """Open the store and build the services; handlers find them in the settings."""
        assert self.serverapp is not None  # noqa: S101 - Jupyter links the extension before it initializes it
        self._store = store = open_store(self, self.serverapp)
        services = build_services(self, store, self.serverapp, self.log)
        self.services = self.settings["logstream"] = services
        self._address = ServerAddress(self.serverapp, services.secret, private=self.private)
        self._exporter = self.make_exporter(
            store,
            services.engine,
            services.request_log,
            self.log,
            linger_s=self.linger,
            mask=services.redactor.mask,
        )

    def initialize_handlers(self) -> None:
        """Add our routes."""
        self.handlers.extend(routes())

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Jupyter's hook when the port is known: publish the address, and recover the workloads that still run."""
        self._publish_address(serverapp)
        if self.services.upstreams:
            self.services.prices.load()
        level = serverapp.log_level  # as the console's handler; the logger itself passes everything
        self.services.service_log.setLevel(level if isinstance(level, int) else str(level))
        self.services.service_log.attach(serverapp.log, logging.getLogger())
        await self.services.engine.recover()
        if self._exporter is not None:
            self.services.engine.run_along(self._exporter.run())
        if not self.store_dir:
            stores = self._store.root.parent
            self._adoption = Adoption(stores, self._store, self.services.engine, self._address.lend, self.log)
            self.services.engine.run_along(self._adoption.run())
        if self.private:
            self._watch_lifetime(serverapp)
        self._activity = PeriodicCallback(self._report_activity, _ACTIVITY_INTERVAL_MS)
        self._activity.start()
        self._report_activity()

    async def stop_extension(self) -> None:
        """Disconnect all clients and close the store; workloads continue."""
        if "logstream" not in self.settings:  # the start failed; Jupyter calls this anyway
            return
        services = self.services
        services.open_streams.close()
        services.search_pool.close()
        services.service_log.detach()
        if hasattr(self, "_activity"):
            self._activity.stop()
        for call in list(services.open_calls):
            call.cancel()
        await asyncio.gather(*services.open_calls, return_exceptions=True)
        if services.upstream_client is not None:
            await services.upstream_client.close()
        if self._exporter is not None:
            await self._exporter.close()
        services.request_log.close()
        await services.engine.close()
        if hasattr(self, "_adoption"):
            self._adoption.close()
        self._store.close()

    def _watch_lifetime(self, serverapp: ServerApp) -> None:
        """End this private server when it is idle or replaced, and let clients find its store."""
        idle_s = idle_limit_s(self.private_idle)
        lifetime = PrivateLifetime(self._store.root, self.services, idle_s, serverapp.stop, self.log)
        lifetime.count_requests(serverapp.web_app)
        self.services.engine.run_along(lifetime.run())
        write_pointer(stores_folder(), self._store.root)

    def _publish_address(self, serverapp: ServerApp) -> None:
        """Write it for workloads that outlive this server, and into the environment of kernels."""
        root = self._store.root
        try:
            self._address.write(root)
            if not self.private:
                write_owner(root, owner_of(serverapp))
        except OSError as error:
            self.log.warning(
                "The address of this server cannot be written (%s): workloads of earlier servers cannot find it",
                error.strerror,
            )
        self._address.export(root, os.environ)

    def _report_activity(self) -> None:
        """A running workload counts as activity, so that the server is not culled as idle."""
        if self.running_is_activity and self.services.engine.running and self.serverapp is not None:
            self.serverapp.web_app.settings["last_activity_times"][self.name] = utcnow()
