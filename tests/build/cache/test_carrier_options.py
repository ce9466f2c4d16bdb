"""What --cache-from and --cache-to take, and what they refuse by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built import lay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.once

REFUSED = {
    ("--cache-to", "type=gha"): "type=gha",
    ("--cache-to", "type=s3,bucket=x"): "type=s3",
    ("--cache-from", "type=azblob,name=x"): "type=azblob",
    ("--cache-from", "type=inline"): "type=registry,ref=IMAGE",
    ("--cache-to", "type=oci,dest=x"): "unknown type 'oci'",
    ("--cache-to", "dest=x"): "unknown type ''",
    ("--cache-to", "type=local"): "dest=DIR",
    ("--cache-from", "type=local"): "src=DIR",
    ("--cache-from", "type=registry"): "ref=NAME",
    ("--cache-to", "type=local,dest="): "no directory",
    ("--cache-to", "type=local,dest=x,src=y"): "unknown field 'src'",
    ("--cache-from", "type=local,src=x,mode=max"): "unknown field 'mode'",
    ("--cache-to", "type=local,dest=x,mode"): "'mode' is no KEY=VALUE",
    ("--cache-to", "type=local,dest=x,mode=mid"): "unknown mode 'mid'",
    ("--cache-to", "type=local,dest=x,compression=estargz"): "unknown compression 'estargz'",
    ("--cache-to", "type=local,dest=x,compression-level=high"): "is no number",
    ("--cache-to", "type=local,dest=x,ignore-error=perhaps"): "neither true nor false",
    ("--cache-to", "type=local,dest=x,tag=a b"): "is no tag",
    ("--cache-from", "type=local,src=x,digest=12"): "is no digest",
    ("--cache-to", "type=registry,ref=A b"): "is no name",
    ("--cache-to", "UPPER"): "is no name",
    ("--cache-to", "type=registry,ref=x/y,image-manifest=false"): "image-manifest=false",
    ("--cache-to", "type=registry,ref=x/y,oci-mediatypes=false"): "oci-mediatypes=false",
    ("--cache-to", "type=inline,mode=max"): "unknown field 'mode'",
}


@pytest.mark.parametrize(("option", "text"), REFUSED)
def test_refused(option: str, text: str, shared: Store, tmp_path: Path) -> None:
    lay(tmp_path, {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    done = shared("build", "-q", option, text, str(tmp_path), cwd=str(tmp_path))
    assert done.returncode == 1
    assert option in done.stderr
    assert REFUSED[option, text] in done.stderr
    assert not (tmp_path / "x").exists()


def test_taken(shared: Store, tmp_path: Path) -> None:
    """Fields that are so anyway, quoted ones, and paths as they are written."""
    lay(tmp_path, {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n", "c": None})
    field = '"dest=a,b"'
    more = "force-compression=true,oci-mediatypes=true,image-manifest=true,mode=min"
    shared.ok("build", "-q", f"--cache-to=type=local,{field},{more}", ".", cwd=str(tmp_path))
    assert (tmp_path / "a,b/index.json").exists()
    done = shared("build", "-q", "--cache-to=type=inline", "-o", str(tmp_path / "o"), str(tmp_path))
    assert (done.returncode, "no image" in done.stderr) == (1, True)
