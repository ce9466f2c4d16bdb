"""The pages of docs/, which `rootless help TOPIC` shows: found by name, and shown in a pager."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

WIDEST = 100


def folder() -> str:
    """Return the directory with the pages."""
    import rootless

    return os.path.join(os.path.dirname(rootless.__file__), "docs")


def topics() -> dict[str, str]:
    """Return what each page is about, by its name: the sentence below its title."""
    found = {}
    names = [name for name in os.listdir(folder()) if name.endswith(".md")]
    for topic in sorted(name.removesuffix(".md") for name in names):
        found[topic] = page(topic).split("\n", 3)[2].rstrip(".")
    return found


def page(topic: str) -> str:
    """Return the text of a page."""
    with open(os.path.join(folder(), f"{topic}.md"), encoding="utf-8") as file:
        return file.read()


def meant(word: str, names: Mapping[str, str]) -> list[str]:
    """Return the topics that a word may mean: that of this name, or all with a part like it."""
    word = word.removesuffix(".md").lower()
    if word in names:
        return [word]
    return [name for name in names if any(part.startswith(word) for part in _parts(name))]


def _parts(name: str) -> list[str]:
    words = name.split("-")
    return ["-".join(words[at:]) for at in range(len(words))]


def show(text: str) -> None:
    """Show a page: on a terminal with a pager, elsewhere as it is written."""
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return
    _through(_pager(), _rendered(text))


def _rendered(text: str) -> str:
    """Return a page as a terminal shows it best."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.width = min(console.width, WIDEST)
    with console.capture() as caught:
        console.print(Markdown(text, code_theme="ansi_light", hyperlinks=False))
    return caught.get()


def _pager() -> list[str]:
    """Return the command of the user's pager; none where what is shown stays on the screen."""
    import shlex
    import shutil

    wanted = shlex.split(os.environ.get("PAGER", ""))
    return next((one for one in (wanted, ["less"], ["more"]) if one and shutil.which(one[0])), [])


def _through(pager: list[str], text: str) -> None:
    import signal
    import subprocess

    if not pager or os.environ.get("TERM") == "dumb":
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    # What git tells less: end at once if it fits, show colours, leave the text on the screen.
    env = {"LESS": "FRX", **os.environ}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-c is the pager's
    try:
        subprocess.run(pager, input=text, text=True, env=env, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
