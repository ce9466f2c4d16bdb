"""The same input gives the same image: elsewhere, at another time, as another user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from built import Built, lay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.each

FILES = {
    "a": "1",
    "d/b": (0o755, "2"),
    "d/l": "->b",
    "d/e": None,
    "d/n\u00e4me with blank": "3",
    "secret": (0o600, "4"),
}
DOCKERFILE = """
FROM busybox AS made
RUN mkdir -m 700 /made && echo 1 > /made/f && chown -R 33:44 /made && ln -s f /made/l && \\
    chown -h 5:6 /made/l && mkfifo /made/p && chmod 4755 /made/f && ln /made/f /made/hard
RUN touch -d '2001-02-03 04:05:06' /made/old && rm /made/p
FROM busybox
LABEL a=b
WORKDIR /w/x
COPY --chown=7:8 . .
COPY --from=made /made /from/
RUN cp /from/f /copied && rm -r /from && mkdir /from && mkdir -p /made/"$(cat /w/x/a)"
ADD a /added
USER 1000
WORKDIR /home/of/user
RUN echo $SOURCE_DATE_EPOCH. > f
"""
EPOCH = "1700000000"
LAYERS = [
    "sha256:009bb4eff6aa85127ae8dffd77969e5a2aff787f7b573a8edbd9ddf8188d8cb4",
    "sha256:754587dce629b905cf2c3d18b55fe3d002e84fa455a6c83fbd3ef75220448233",
    "sha256:eca8cefc81c619a61c70bd4b2b33d1b2333c1944a11e9422512822cbacedb083",
    "sha256:aff284783a14f5e1c4f5507b7b241506a6e74aa47d585c5389652ddb90fc435f",
    "sha256:36414302203170aac230b2df99a73a7df5e74d64d86841eaa1f103ae1c5600c1",
    "sha256:e465a2727c0a87ca2a5a2da792282a0d2b2aeca392c4c3e6399996b676203beb",
    "sha256:bd06a868040b8c1ce73a2ae10a1274a5ebcfe87d1df5053a92ba427a21e5ae99",
]
"""The diff ids of what comes upon the base, whoever builds it and whatever the base is."""


def _other_times(directory: Path) -> None:
    """Give files times of long ago, as an unpacked archive has them."""
    for place, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.utime(f"{place}/{name}", (1, 2), follow_symlinks=False)


def test_the_same_image_anywhere(busybox: Store, shared: Store, tmp_path: Path) -> None:
    """In another directory and another store, and layers are the same for every kind of user."""
    first, second = tmp_path / "first", tmp_path / "deep" / "second"
    for place in (first, second):
        lay(place, {**FILES, "Dockerfile": DOCKERFILE})
    _other_times(second)
    env = {"SOURCE_DATE_EPOCH": EPOCH}
    ids, manifests = [], []
    for store, place in ((busybox, first), (shared, second)):
        done = store("build", "-q", "-t", "t", str(place), env=env)
        assert done.returncode == 0, done.stderr
        ids.append(done.stdout.strip())
        image = Built(store, "t:latest")
        manifests.append(image.manifest)
    assert manifests[0] == manifests[1]
    assert ids[0] == ids[1]
    assert image.config["rootfs"]["diff_ids"][1:] == LAYERS
    again = busybox("build", "-q", "--no-cache", str(first), env=env)
    assert again.stdout.strip() == ids[0]
    assert image.files(1)["from"] == "directory 755 0:0"
    assert image.config["created"] == "2023-11-14T22:13:20Z"
