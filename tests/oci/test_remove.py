"""Removing trees, several processes the same one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rootless.oci.remove import remove_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tree_that_several_remove_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def remove(barrier: threading.Barrier, tree: Path) -> None:
        barrier.wait()
        try:
            remove_tree(str(tree))
        except OSError as error:
            errors.append(error)

    for turn in range(50):
        tree = tmp_path / str(turn)
        for number in range(8):
            (tree / f"{number}/a/b").mkdir(parents=True)
            (tree / f"{number}/a/f").write_text("")
        barrier = threading.Barrier(3)
        threads = [threading.Thread(target=remove, args=(barrier, tree)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert not tree.exists()
