"""Options of `run` and `create`: health checks."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import option

HEALTH = "Health checks"

HealthCmd = Annotated[
    str,
    option(
        "--health-cmd", metavar="COMMAND", panel=HEALTH, about="For a shell; none for no check."
    ),
]
HealthInterval = Annotated[
    str, option("--health-interval", metavar="TIME", panel=HEALTH, about="Between checks. (30s)")
]
HealthTimeout = Annotated[
    str, option("--health-timeout", metavar="TIME", panel=HEALTH, about="Of one check. (30s)")
]
HealthRetries = Annotated[
    int, option("--health-retries", metavar="N", panel=HEALTH, about="Failures in a row. (3)")
]
HealthStartPeriod = Annotated[
    str,
    option(
        "--health-start-period",
        metavar="TIME",
        panel=HEALTH,
        about="Failures that do not count. (0s)",
    ),
]
HealthStartInterval = Annotated[
    str,
    option("--health-start-interval", metavar="TIME", panel=HEALTH, about="In that period. (5s)"),
]
NoHealthcheck = Annotated[
    bool, option("--no-healthcheck", panel=HEALTH, about="Ignore the image's health check.")
]
HealthOnFailure = Annotated[
    str,
    option(
        "--health-on-failure",
        metavar="ACTION",
        panel=HEALTH,
        about="When unhealthy: none, kill, restart, stop. (none)",
    ),
]
HealthLogDestination = Annotated[
    str,
    option(
        "--health-log-destination",
        metavar="PLACE",
        panel=HEALTH,
        about="Of results: local, events_logger, or a directory. (local)",
    ),
]
HealthMaxLogCount = Annotated[
    int,
    option(
        "--health-max-log-count",
        metavar="N",
        panel=HEALTH,
        about="Results, 0 for the last that 1 MiB holds. (5)",
    ),
]
HealthMaxLogSize = Annotated[
    int,
    option(
        "--health-max-log-size",
        metavar="N",
        panel=HEALTH,
        about="Characters of each, 0 for all. (4096)",
    ),
]
HealthStartupCmd = Annotated[
    str,
    option(
        "--health-startup-cmd", metavar="COMMAND", panel=HEALTH, about="A check that comes first."
    ),
]
HealthStartupInterval = Annotated[
    str,
    option("--health-startup-interval", metavar="TIME", panel=HEALTH, about="Between these. (30s)"),
]
HealthStartupTimeout = Annotated[
    str,
    option(
        "--health-startup-timeout", metavar="TIME", panel=HEALTH, about="Of one of these. (30s)"
    ),
]
HealthStartupRetries = Annotated[
    int,
    option(
        "--health-startup-retries", metavar="N", panel=HEALTH, about="Then it is restarted. (never)"
    ),
]
HealthStartupSuccess = Annotated[
    int,
    option(
        "--health-startup-success", metavar="N", panel=HEALTH, about="Successes that end it. (1)"
    ),
]


class HealthAsked(TypedDict, total=False):
    """Its health checks."""

    health_cmd: HealthCmd
    health_interval: HealthInterval
    health_timeout: HealthTimeout
    health_retries: HealthRetries
    health_start_period: HealthStartPeriod
    health_start_interval: HealthStartInterval
    no_healthcheck: NoHealthcheck
    health_on_failure: HealthOnFailure
    health_log_destination: HealthLogDestination
    health_max_log_count: HealthMaxLogCount
    health_max_log_size: HealthMaxLogSize
    health_startup_cmd: HealthStartupCmd
    health_startup_interval: HealthStartupInterval
    health_startup_timeout: HealthStartupTimeout
    health_startup_retries: HealthStartupRetries
    health_startup_success: HealthStartupSuccess
