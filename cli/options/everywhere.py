"""Options of all commands: they stand before the command, those with two dashes also behind it.

docker and podman have many about their own inside, which scripts and the settings of other tools
carry along. They are taken here, are not in the help, and `cli.surroundings` says what becomes of
them.
"""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options import common  # noqa: TC001 - Typer evaluates the hints
from rootless.cli.options.declare import option, silent

LogLevel = Annotated[
    str,
    option(
        "--log-level",
        "-l",
        metavar="LEVEL",
        about="trace or debug is --debug, error or above leaves warnings out. (warn)",
    ),
]
ConfigDir = Annotated[
    str, option("--config", metavar="DIR", about="Where docker's config.json is. (DOCKER_CONFIG)")
]
NoOut = Annotated[bool, option("--noout", about="Print nothing on standard output.")]
Out = Annotated[str, option("--out", metavar="FILE", about="Print there.")]
Host = Annotated[list[str] | None, silent("--host", "-H")]
Url = Annotated[str, silent("--url")]
Context = Annotated[str, silent("--context", "--connection", "-c")]
RemoteService = Annotated[bool, silent("--remote", "-r")]


class Settings(TypedDict, total=False):
    """What stands before a command."""

    root: common.Root
    debug: common.Debug
    dialect: common.DialectName
    version: common.Version
    log_level: LogLevel
    config: ConfigDir
    noout: NoOut
    out: Out
    host: Host
    url: Url
    context: Context
    remote: RemoteService
    cdi_spec_dir: Annotated[list[str] | None, silent("--cdi-spec-dir")]
    cgroup_manager: Annotated[str, silent("--cgroup-manager")]
    cni_config_dir: Annotated[str, silent("--cni-config-dir")]
    conmon: Annotated[str, silent("--conmon")]
    db_backend: Annotated[str, silent("--db-backend")]
    default_mounts_file: Annotated[str, silent("--default-mounts-file")]
    events_backend: Annotated[str, silent("--events-backend")]
    hooks_dir: Annotated[list[str] | None, silent("--hooks-dir")]
    identity: Annotated[str, silent("--identity")]
    imagestore: Annotated[str, silent("--imagestore")]
    module: Annotated[list[str] | None, silent("--module")]
    namespace: Annotated[str, silent("--namespace")]
    network_cmd_path: Annotated[str, silent("--network-cmd-path")]
    network_config_dir: Annotated[str, silent("--network-config-dir")]
    runroot: Annotated[str, silent("--runroot")]
    runtime: Annotated[str, silent("--runtime")]
    runtime_flag: Annotated[list[str] | None, silent("--runtime-flag")]
    ssh: Annotated[str, silent("--ssh")]
    storage_driver: Annotated[str, silent("--storage-driver")]
    storage_opt: Annotated[list[str] | None, silent("--storage-opt")]
    syslog: Annotated[bool, silent("--syslog")]
    tmpdir: Annotated[str, silent("--tmpdir")]
    transient_store: Annotated[bool, silent("--transient-store")]
    volumepath: Annotated[str, silent("--volumepath")]
