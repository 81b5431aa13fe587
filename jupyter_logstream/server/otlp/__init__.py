"""OpenTelemetry: records and requests as its log data model, and the exporter that pushes them. Server; no handlers."""
