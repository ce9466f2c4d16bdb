"""What a Dockerfile says: a class for each instruction, plain values without behaviour.

Texts are as they are written, with quotes and variables, until `Scope.apply` returns the same
instruction with what they come to.
"""

from __future__ import annotations

from rootless.build.dockerfile.plain import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from rootless.build.dockerfile.heredocs import Heredoc
    from rootless.build.dockerfile.mounts import Mount
    from rootless.build.dockerfile.nodes import Node, Syntax


class Instruction(Value):
    """What all instructions have: the node that each was made of."""

    __slots__ = ("node",)
    unequal = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def name(self) -> str:
        """The instruction in capitals."""
        return self.node.name

    @property
    def line(self) -> int:
        """Its first line in the file."""
        return self.node.line

    @property
    def text(self) -> str:
        """The instruction as one line, as it is written."""
        return self.node.text

    def changed(self, **fields: object) -> Self:
        """Return the same instruction with other values of some fields."""
        other = object.__new__(type(self))
        for one in type(self).__mro__:
            for name in getattr(one, "__slots__", ()):
                setattr(other, name, fields[name] if name in fields else getattr(self, name))
        return other


class Command(Value):
    """What RUN, CMD, ENTRYPOINT and HEALTHCHECK execute.

    `words` are an argument vector, or with `shell` one text for the shell (none where there is
    nothing). `documents` are the heredocs of a RUN.
    """

    __slots__ = ("documents", "shell", "words")

    def __init__(
        self, words: tuple[str, ...], shell: bool, documents: tuple[Heredoc, ...] = ()
    ) -> None:
        self.words = words
        self.shell = shell
        self.documents = documents

    @property
    def needs_shell(self) -> bool:
        """Whether there is something, and a shell has to read it."""
        return self.shell and bool(self.words)

    @property
    def script(self) -> str | None:
        """The document that is the whole of a RUN, which the shell gets or `#!` executes.

        None where there is another command: `text` has the documents behind it then.
        """
        if len(self.documents) != 1 or not self.shell:
            return None
        (document,) = self.documents
        words = self.words[0].split() if self.words else []
        return document.content if len(words) == 1 and not document.descriptor else None

    @property
    def text(self) -> str:
        """What the shell gets: the line, and behind it the documents that it announces."""
        line = self.words[0] if self.words else ""
        return "\n".join([line, *(f"{one.body}{one.name}" for one in self.documents)])


class From(Instruction):
    """FROM: the beginning of a stage. `stage` is its name in small letters, "" without one."""

    __slots__ = ("image", "platform", "stage", "written")

    def __init__(self, node: Node, image: str, platform: str, written: str) -> None:
        super().__init__(node)
        self.image = image
        self.platform = platform
        self.written = written
        """The name as it is written."""
        self.stage = written.lower()


class Arg(Instruction):
    """ARG: names and their defaults, None for one without."""

    __slots__ = ("pairs",)

    def __init__(self, node: Node, pairs: tuple[tuple[str, str | None], ...]) -> None:
        super().__init__(node)
        self.pairs = pairs


class Env(Instruction):
    """ENV: names and values. `old` is the form without =."""

    __slots__ = ("old", "pairs")

    def __init__(self, node: Node, pairs: tuple[tuple[str, str], ...], old: bool) -> None:
        super().__init__(node)
        self.pairs = pairs
        self.old = old


class Label(Env):
    """LABEL, which has the same forms."""

    __slots__ = ()


class Run(Instruction):
    """RUN, with what is mounted for it."""

    __slots__ = ("command", "mounts", "network", "security")

    def __init__(
        self,
        node: Node,
        command: Command,
        mounts: tuple[Mount, ...] = (),
        network: str = "default",
        security: str = "sandbox",
    ) -> None:
        super().__init__(node)
        self.command = command
        self.mounts = mounts
        self.network = network
        """default, none or host."""
        self.security = security
        """sandbox or insecure."""


class Cmd(Instruction):
    """CMD: the command of a container, or the arguments of its entry point."""

    __slots__ = ("command",)

    def __init__(self, node: Node, command: Command) -> None:
        super().__init__(node)
        self.command = command


class Entrypoint(Cmd):
    """ENTRYPOINT."""

    __slots__ = ()


class Copy(Instruction):
    """COPY: what goes where. A source is a path or pattern, or a document in the file itself."""

    __slots__ = ("chmod", "chown", "exclude", "link", "parents", "sources", "stage", "target")

    def __init__(self, node: Node, sources: tuple[str | Heredoc, ...], target: str) -> None:
        super().__init__(node)
        self.sources = sources
        self.target = target
        self.stage = ""
        """--from: a stage by name or number, a context, an image; "" is the context."""
        self.chown = ""
        self.chmod = ""
        self.link = False
        self.parents = False
        self.exclude: tuple[str, ...] = ()


class Add(Copy):
    """ADD: as COPY, from URLs and git repositories too; archives are unpacked."""

    __slots__ = ("checksum", "keep_git_dir", "unpack")

    def __init__(self, node: Node, sources: tuple[str | Heredoc, ...], target: str) -> None:
        super().__init__(node, sources, target)
        self.checksum = ""
        self.keep_git_dir = False
        self.unpack: bool | None = None
        """None: archives that lie in the context, and no others."""


class Expose(Instruction):
    """EXPOSE: ports as they are written, PORT[-PORT][/PROTOCOL]; `ports.ports` reads them."""

    __slots__ = ("ports",)

    def __init__(self, node: Node, ports: tuple[str, ...]) -> None:
        super().__init__(node)
        self.ports = ports


class Volume(Instruction):
    """VOLUME: paths."""

    __slots__ = ("paths",)

    def __init__(self, node: Node, paths: tuple[str, ...]) -> None:
        super().__init__(node)
        self.paths = paths


class User(Instruction):
    """USER: a user, and a group after a colon."""

    __slots__ = ("user",)

    def __init__(self, node: Node, user: str) -> None:
        super().__init__(node)
        self.user = user


class Workdir(Instruction):
    """WORKDIR: a path, relative to the one before."""

    __slots__ = ("path",)

    def __init__(self, node: Node, path: str) -> None:
        super().__init__(node)
        self.path = path


class StopSignal(Instruction):
    """STOPSIGNAL: a name or number."""

    __slots__ = ("signal",)

    def __init__(self, node: Node, signal: str) -> None:
        super().__init__(node)
        self.signal = signal


class Shell(Instruction):
    """SHELL: what shell forms are given to."""

    __slots__ = ("words",)

    def __init__(self, node: Node, words: tuple[str, ...]) -> None:
        super().__init__(node)
        self.words = words


class Healthcheck(Instruction):
    """HEALTHCHECK: a command and times in nanoseconds, 0 where none is said; None is NONE."""

    __slots__ = ("command", "interval", "retries", "start_interval", "start_period", "timeout")

    def __init__(self, node: Node, command: Command | None) -> None:
        super().__init__(node)
        self.command = command
        self.interval = 0
        self.timeout = 0
        self.start_period = 0
        self.start_interval = 0
        self.retries = 0


class Maintainer(Instruction):
    """MAINTAINER."""

    __slots__ = ("author",)

    def __init__(self, node: Node, author: str) -> None:
        super().__init__(node)
        self.author = author


class Onbuild(Instruction):
    """ONBUILD: an instruction for the stages that are based on this image.

    `trigger` is its text as the image's configuration has it, with heredocs.
    """

    __slots__ = ("instruction", "trigger")

    def __init__(self, node: Node, instruction: Instruction, trigger: str) -> None:
        super().__init__(node)
        self.instruction = instruction
        self.trigger = trigger


class Dockerfile(Value):
    """A whole file. `arguments` stand before the first FROM; then there are only stages."""

    __slots__ = ("arguments", "instructions", "syntax")

    def __init__(
        self, syntax: Syntax, arguments: tuple[Arg, ...], instructions: tuple[Instruction, ...]
    ) -> None:
        self.syntax = syntax
        self.arguments = arguments
        self.instructions = instructions
        """All after them; the first is a From."""
