"""The names of OpenTelemetry's messaging conventions, in the version that they are taken from, and our own beside them.

The conventions are still in development; a later version may rename them, and then this page changes and nothing else.
https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/messaging/messaging-spans.md
"""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

SYSTEM: Final = "messaging.system"
TIDEGATE: Final = "tidegate"
OPERATION: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
BATCH: Final = "messaging.batch.message_count"
MESSAGE_ID: Final = "messaging.message.id"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"

EXCEPTION: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

KIND: Final = "tidegate.job.kind"
ATTEMPT: Final = "tidegate.job.attempt"
MAX_ATTEMPTS: Final = "tidegate.job.max_attempts"
PRIORITY: Final = "tidegate.job.priority"
SCHEDULED_AT: Final = "tidegate.job.scheduled_at"
DELAY: Final = "tidegate.job.delay"
OUTCOME: Final = "tidegate.job.outcome"
STATE: Final = "tidegate.job.state"
REASON: Final = "tidegate.job.dead_reason"
WAITED: Final = "tidegate.job.waited"
LINK: Final = "tidegate.link"
"""What a link points to: the enqueue (`creation`), the attempt before (`last_attempt`), the run whose outcome is told (`run`)."""
