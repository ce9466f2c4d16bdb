"""The option texts of `run` and `create`. Types only: nothing imports this when it runs."""

from __future__ import annotations

from typing import TypedDict


class Asked(TypedDict, total=False):
    """The options of `run` and `create`, raw as on the command line; absent is not asked for.

    A key is the long option with `-` as `_`; repeatable options are lists.
    """

    add_host: list[str]
    annotation: list[str]
    attach: list[str]
    cap_add: list[str]
    cap_drop: list[str]
    cgroupns: str
    conmon_pidfile: str
    chrootdirs: list[str]
    cidfile: str
    detach: bool
    device: list[str]
    domainname: str
    entrypoint: str | None
    env: list[str]
    env_file: list[str]
    env_host: bool
    env_merge: list[str]
    gidmap: list[str]
    group_add: list[str]
    group_entry: str
    health_cmd: str
    health_interval: str
    health_log_destination: str
    health_max_log_count: int
    health_max_log_size: int
    health_on_failure: str
    health_retries: int
    health_start_interval: str
    health_start_period: str
    health_startup_cmd: str
    health_startup_interval: str
    health_startup_retries: int
    health_startup_success: int
    health_startup_timeout: str
    health_timeout: str
    hostname: str
    hostuser: list[str]
    http_proxy: bool
    image_volume: str
    init: bool
    init_path: str
    interactive: bool
    ipc: str
    label: list[str]
    label_file: list[str]
    link: list[str]
    log_driver: str
    log_opt: list[str]
    mac_address: str
    mount: list[str]
    name: str
    network: list[str]
    ip: str
    ip6: str
    network_alias: list[str]
    publish: list[str]
    publish_all: bool
    expose: list[str]
    publish_privileged: str
    dns: list[str]
    dns_search: list[str]
    dns_option: list[str]
    no_healthcheck: bool
    no_hosts: bool
    oom_score_adj: int
    passwd: bool
    passwd_entry: str
    personality: str
    pid: str
    pidfile: str
    platform: str
    privileged: bool
    pull: str
    read_only: bool
    read_only_tmpfs: bool
    replace: bool
    requires: list[str]
    restart: str
    rm: bool
    rmi: bool
    rootfs: bool
    sdnotify: str
    seccomp_policy: str
    security_opt: list[str]
    shm_size: str
    shm_size_systemd: str
    stop_signal: str
    stop_timeout: int
    subgidname: str
    subuidname: str
    sysctl: list[str]
    systemd: str
    timeout: int
    tmpfs: list[str]
    tty: bool
    tz: str
    uidmap: list[str]
    ulimit: list[str]
    umask: str
    unsetenv: list[str]
    unsetenv_all: bool
    user: str
    userns: str
    uts: str
    volume: list[str]
    volumes_from: list[str]
    workdir: str

    # How its image is found and fetched, which is the front end's matter.
    arch: str
    authfile: str
    cert_dir: str
    creds: str
    decryption_key: list[str]
    disable_content_trust: bool
    os: str
    quiet: bool
    retry: int
    retry_delay: str
    tls_verify: bool | None
    variant: str

    # What names the insides of docker and podman: the front end's matter as well.
    cgroup_conf: list[str]
    cgroup_parent: str
    cgroups: str
    device_cgroup_rule: list[str]
    gpus: str
    oom_kill_disable: bool
    runtime: str
