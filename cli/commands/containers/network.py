"""network capture: the packets of a container, or of a network."""

from __future__ import annotations

import os
import sys

from rootless.cli.output import say
from rootless.errors import Error, HostError, NotFound
from rootless.store.records import remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def capture(engine: Engine, container: common.Container, file: opt.CaptureFile) -> int:
    """Write what crosses the link of a container, or all of a network, to a pcap file.

    Until Ctrl-C or the end of the container, or of the last one on the network. The kernel leaves
    checksums and the cutting into segments to whoever is outside: frames of up to 64 KiB with
    unfinished checksums are as they should be.

    Examples:
        rootless network capture web web.pcap
        rootless network capture backend backend.pcap
        rootless network capture web - | tcpdump -r -
    """
    from rootless.containers.running import capturing

    network = None
    try:
        found = engine.containers.get(container)
    except NotFound:
        if container not in engine.networks.names():
            raise
        network = engine.networks.get(container)
    is_new = file != "-" and not os.path.lexists(file)
    try:
        opened = open(sys.stdout.fileno(), "wb", closefd=False) if file == "-" else open(file, "wb")
        with opened as output:
            if network is None:
                count = capturing.capture(engine.paths, found, output)
            else:
                count = capturing.capture_network(engine.paths, network, output)
    except BrokenPipeError:
        return 0  # whoever read it has seen enough
    except OSError as error:
        raise HostError(f"cannot write {file}: {error.strerror}", remedy(error)) from error
    except Error:
        if is_new:
            os.unlink(file)  # nothing was looked at
        raise
    say(f"{count} frames", to_stderr=True)
    return 0
