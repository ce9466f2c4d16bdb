"""registry serve: a private registry."""

from __future__ import annotations

from rootless.cli.output import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine


def serve(
    engine: Engine,
    *,
    listen: opt.Listen = "127.0.0.1:5000",
    tls_cert: opt.TlsCert = "",
    tls_key: opt.TlsKey = "",
    htpasswd: opt.HtpasswdFile = "",
    storage: opt.RegistryStorage = "",
) -> int:
    """Be a private registry, for pulls and pushes.

    Your images are served under their names: localhost/tools:1 as tools:1, those of docker.io
    as busybox and library/busybox, and all but your own under their full path as well. A push
    of tools:1 makes the image localhost/tools:1. With --storage it is a registry of its own in
    a directory, for any kind of artifact. Until Ctrl-C or SIGTERM.

    Without --htpasswd whoever reaches the address may pull, also other users of this machine.
    What they push has names of its own, pushed.localhost/tools:1, and is all that they may
    delete; no repository that holds anything of yours is changed. Your password for all else
    is printed at the start: docker, podman and rootless login take it, with any user.

    Examples:
        rootless registry serve
        rootless login -u me localhost:5000
        htpasswd -Bc users alice; rootless registry serve --htpasswd users \\
            --listen 0.0.0.0:5000 --tls-cert host.pem --tls-key host.key
        rootless registry serve --storage /srv/registry
    """
    from rootless.registry.serving import Options
    from rootless.registry.serving import serve as run

    options = Options(listen, tls_cert, tls_key, htpasswd, storage)
    run(engine.paths, options, _say, _log)
    return 0


def _say(line: str) -> None:
    say(line)


def _log(line: str) -> None:
    try:
        say(line, to_stderr=True)
    except OSError:
        pass  # a full disk, or nobody reads it any more: that ends no registry
