"""What the options of `build` about its commands and its image come to in a request."""

from __future__ import annotations

import os

from rootless.cli import reach
from rootless.cli.commands.images import outputs
from rootless.cli.dialects import choice
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.request import BuildRequest
    from rootless.cli.options.buildflags import Flags, OfContainers, OfImage
    from rootless.containers.request import Fields
    from rootless.defaults.settings import Settings

_OF_RUN = (
    *("add_host", "cap_add", "cap_drop", "cgroupns", "device", "dns", "dns_option", "dns_search"),
    *("http_proxy", "ipc", "network", "no_hosts", "pid", "security_opt", "shm_size", "ulimit"),
    *("mount", "uts", "volume"),
)
"""Options that `run` has as well, and that mean the same for the commands of RUN."""

_OF_CONF = (
    *("default_capabilities", "default_ulimits", "devices", "dns_options", "dns_searches"),
    *("dns_servers", "seccomp_profile", "shm_size", "volumes"),
)
"""Keys of containers.conf that podman's builds heed. Variables are not among them, nor time zones:
an image would be another by who has built it."""

_ISOLATIONS = ("", "default", "oci", "rootless", "chroot")
_OF_WINDOWS = ("process", "hyperv")


def fill(request: BuildRequest, asked: Flags) -> None:
    """Put in what the options say. Raises UsageError."""
    _check(asked)
    request.run = fields_of(asked)
    request.allowed = _allowed(asked)
    _proxies(request, asked)
    _shape(request, asked)
    request.epoch = epoch_of(asked)
    request.docker = asked.get("format", os.environ.get("BUILDAH_FORMAT", "")) == "docker"
    _platforms(request, asked)
    outputs.fill(request, asked)


def _check(asked: Flags) -> None:
    """Refuse what contradicts itself, and what makes no sense here."""
    if asked.get("no_hostname"):
        raise UsageError(
            "--no-hostname: a container has its own /etc/hostname, which is in no layer",
            "leave it out, or change the image's with COPY",
        )
    if asked.get("identity_label"):
        raise UsageError(
            "--identity-label: there is no label of ours", "--label KEY=VALUE gives the image one"
        )
    if asked.get("squash") and asked.get("squash_all"):
        raise UsageError("--squash and --squash-all exclude each other")
    if asked.get("timestamp") and asked.get("source_date_epoch"):
        raise UsageError("--timestamp and --source-date-epoch exclude each other", "name one")


def fields_of(asked: OfContainers, *, further: bool = False) -> Fields:
    """Return what the containers of RUN are to be, where it is not as usual.

    With `further` the user's own defaults are in what this comes to.
    """
    from rootless.containers.request import request as usual
    from rootless.containers.words.request import request as of_words
    from rootless.defaults import settings

    isolation = asked.get("isolation", "")
    if isolation in _OF_WINDOWS:
        raise UsageError(f"--isolation {isolation} is for containers of Windows", "leave it out")
    if isolation not in _ISOLATIONS:
        known = ", ".join(filter(None, _ISOLATIONS))
        raise UsageError(f"--isolation: unknown type {isolation!r}", f"{known}: always the same")
    given: Any = {key: asked[key] for key in _OF_RUN if key in asked}  # type: ignore[literal-required]
    if "network" in given:
        given["network"] = [given["network"]]
    conf = None if further else settings.load()
    if conf is None:
        made: Fields = of_words("build", (), given, base=os.getcwd(), environ=os.environ)
    else:
        made = _completed(given, conf.alone("containers", *_OF_CONF))
    plain = usual("build")
    unlike = ((key, value) for key, value in made.items() if value != plain[key])  # type: ignore[literal-required]
    return dict(unlike)  # type: ignore[return-value]


def _completed(given: Any, conf: Settings) -> Fields:
    """Return it with the user's own defaults. Raises UsageError, with the file and the key."""
    from rootless.containers.words.request import request as of_words
    from rootless.defaults.blaming import blamed
    from rootless.defaults.completing import completed

    try:
        whole = completed(given, conf)
        return of_words("build", (), whole, base=os.getcwd(), environ=os.environ)
    except UsageError as error:
        raise blamed(error, conf, given) from error


def _allowed(asked: Flags) -> set[str]:
    from rootless.build.steps.confining import ALL, HOST_NETWORK

    found = set(choice.current().entitlements)
    for text in asked.get("allow") or ():
        for name in text.split(","):
            if name not in ALL:
                raise UsageError(f"--allow: unknown entitlement {name!r}", f"{' or '.join(ALL)}")
            found.add(name)
    if asked.get("network") == "host":
        found.add(HOST_NETWORK)  # who names it for all means it for one
    return found


def _proxies(request: BuildRequest, asked: Flags) -> None:
    """Take the proxies of docker's own settings, where nothing was said of them."""
    from rootless.build.dockerfile.scope import PROXIES

    if asked.get("http_proxy") is False:
        return
    for name, value in _configured().items():
        if name in PROXIES:
            request.arguments.setdefault(name, value)


def _configured() -> dict[str, str]:
    """Return the proxies of ~/.docker/config.json, as docker gives them to all builds."""
    from rootless.oci import jsonio

    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    try:
        with open(f"{directory}/config.json", "rb") as file:
            proxies = jsonio.loads(file.read())["proxies"]["default"]
        kinds = {"httpProxy": "HTTP", "httpsProxy": "HTTPS", "ftpProxy": "FTP"}
        kinds |= {"noProxy": "NO", "allProxy": "ALL"}
        found = {
            f"{kinds[key]}_PROXY": str(value) for key, value in proxies.items() if key in kinds
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # it is docker's, and `login` says what is wrong with it
    return found


def _shape(request: BuildRequest, asked: Flags) -> None:
    shape = request.shape
    for text in asked.get("env") or ():
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"--env: {text!r} has no name", "write it as KEY=VALUE")
        if equals or name in os.environ:
            shape.environment.append((name, value if equals else os.environ[name]))
    for text in asked.get("annotation") or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--annotation: {text!r} is no pair", "write it as KEY=VALUE")
        shape.annotations[_of_manifest(name)] = value
    shape.unset_environment = list(asked.get("unsetenv") or ())
    shape.unset_labels = list(asked.get("unsetlabel") or ())
    shape.os_version = asked.get("os_version", "")
    shape.os_features = [one.removesuffix("-") for one in asked.get("os_feature") or ()]
    shape.omit_history = asked.get("omit_history", False)
    if asked.get("squash_all"):
        shape.squash = "all"
    elif asked.get("squash") or asked.get("layers") is False:
        shape.squash = "own"
    if asked.get("layers") is False:
        request.use_cache = False


def _of_manifest(name: str) -> str:
    """Return an annotation's key without buildx's word for what it is of. Raises UsageError."""
    where, colon, key = name.partition(":")
    levels = where.partition("[")[0].split(",")
    known = ("manifest", "index", "manifest-descriptor", "index-descriptor")
    if not colon or not set(levels) <= set(known):
        return name
    if levels != ["manifest"]:
        raise UsageError(f"--annotation: {where} has no annotations here", "manifest:KEY=VALUE")
    return key


def _platforms(request: BuildRequest, asked: Flags) -> None:
    from rootless.oci import platform

    given: Any = asked
    texts = ",".join(given.get("platform") or ())
    parts: Any = {**given, "platform": texts}
    text = reach.platform_of(parts)
    found = [str(platform.parse(one)) for one in text.split(",")] if text else []
    request.platforms = list(dict.fromkeys(found))
    if len(request.platforms) == 1:
        request.platform = request.platforms[0]
    request.every_platform = given.get("all_platforms", False)
    if request.every_platform and found:
        raise UsageError("--all-platforms and --platform contradict each other", "name one")
    request.manifest = choice.current().given(given["manifest"]) if "manifest" in given else ""


def epoch_of(asked: OfImage) -> int | None:
    """Return the moment that all counts as made at, by an option or the variable."""
    given: Any = asked
    for name in ("timestamp", "source_date_epoch"):
        if text := given.get(name, ""):
            return _moment(text, f"--{name.replace('_', '-')}")
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    return _moment(text, "SOURCE_DATE_EPOCH") if text else None


def _moment(text: str, name: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise UsageError(f"{name}: invalid moment {text!r}", "seconds since 1970, as 1700000000")
    return int(text)


def policy_of(text: str) -> str:
    """Return when a base is fetched; without a policy as the dialect has it. Raises UsageError."""
    from rootless.values import boolean

    policies = ("always", "missing", "never", "newer")
    if not text or text in policies:
        return text or "missing"
    try:
        return choice.current().pulls if boolean(text, "--pull") else "missing"
    except UsageError:
        raise UsageError(f"--pull: unknown policy {text!r}", ", ".join(policies)) from None


def secret_of(text: str) -> tuple[str, bytes]:
    """Return id and content of `id=ID,src=FILE`, `id=ID,env=NAME`, or `id=ID`. Raises UsageError.

    Without a place it is the variable of that name, or else the file, as docker has it.
    """
    from rootless.build.given import check_size

    fields = dict(field.partition("=")[::2] for field in text.split(","))
    kind, name = fields.pop("type", ""), fields.pop("id", "")
    path = fields.pop("src", "") or fields.pop("source", "")
    variable = fields.pop("env", "") or (path if kind == "env" else "")
    if fields or kind not in ("", "file", "env"):
        unknown = next(iter(fields), f"type={kind}")
        raise UsageError(f"the secret {text!r} says {unknown!r}", "id=, src= and env= are known")
    if not name:
        raise UsageError(f"the secret {text!r} has no id", "write id=NAME,src=FILE")
    if not path and not variable:
        variable, path = (name, "") if name in os.environ else ("", name)
    if variable:
        if variable not in os.environ:
            raise UsageError(f"the secret {name!r}: there is no variable {variable}")
        return name, check_size(name, os.environb[os.fsencode(variable)])
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return name, check_size(name, file.read(1 << 20))
    except OSError as error:
        raise UsageError(f"the secret {name!r}: cannot read {path}: {error.strerror}") from error
