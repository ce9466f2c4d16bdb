"""--sbom: the packages that are found in an image, and what is a stranger's doing in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from built import lay
from rpmdb import header, write

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.each

RELEASE = 'NAME="A"\nID=debian\nVERSION_ID="12"\n'
STATUS = "Package: {}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"
DPKG = "var/lib/dpkg/status"
SITE = "usr/lib/python3/dist-packages"


def sbom(store: Store, top: Path, *words: str, dockerfile: str = "") -> dict[str, Any]:
    """Build a directory as an image, and return the document about it."""
    text = dockerfile or "FROM scratch\nCOPY . /\n"
    out = top.parent / "out"
    done = store("build", "--sbom=true", *words, "-o", str(out), "-f", "-", str(top), input=text)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads((out / "sbom.spdx.json").read_text())
    assert told["predicateType"] == "https://spdx.dev/Document"
    found: dict[str, Any] = told["predicate"]
    found["told"] = done.stderr
    found["subject"] = told["subject"]
    return found


def purls(document: dict[str, Any]) -> list[str]:
    """The packages besides the image itself."""
    return [one["externalRefs"][0]["referenceLocator"] for one in document["packages"][1:]]


def test_all_kinds(shared: Store, tmp_path: Path) -> None:
    top = lay(
        tmp_path / "c",
        {
            "usr/lib/os-release": RELEASE,
            "etc/os-release": "->../usr/lib/os-release",
            DPKG: STATUS.format("b") + STATUS.format("a"),
            "usr/share/doc/a/copyright": "Format: x\n\nFiles: *\nLicense: GPL-2+ or Odd\n",
            "var/lib/dpkg/status.d/less": STATUS.format("less"),
            "var/lib/dpkg/status.d/less.md5sums": STATUS.format("no"),
            "lib/apk/db/installed": "P:musl\nV:1\nL:MIT\n",
            f"{SITE}/one-1.dist-info/METADATA": "Name: one\nVersion: 1\nLicense: MIT\n",
            f"{SITE}/two.egg-info": "Name: two\nVersion: 1\n",
            "opt/venv/lib/three-1.egg-info/PKG-INFO": "Name: three\nVersion: 1\n",
        },
    )
    write(top / "usr/lib/sysimage/rpm/rpmdb.sqlite", header(name="bash", version="5", release="1"))
    found = sbom(shared, top, "--source-date-epoch=1700000000")
    more = "?arch=all&distro=debian-12"
    assert purls(found) == [
        "pkg:apk/debian/musl@1?distro=debian-12",
        *(f"pkg:deb/debian/{name}@1{more}" for name in ("a", "b", "less")),
        "pkg:pypi/one@1",
        "pkg:pypi/three@1",
        "pkg:pypi/two@1",
        "pkg:rpm/debian/bash@5-1?distro=debian-12",
    ]
    assert found["spdxVersion"] == "SPDX-2.3"
    assert found["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    licenses = {one["name"]: one["licenseDeclared"] for one in found["packages"]}
    assert licenses["a"] == "GPL-2.0-or-later OR LicenseRef-Odd"
    assert licenses["musl"] == licenses["one"] == "MIT"
    (extracted,) = found["hasExtractedLicensingInfos"]
    assert extracted["licenseId"] == "LicenseRef-Odd"
    ids = [one["SPDXID"] for one in found["packages"]]
    assert len({*ids}) == len(ids)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    assert [one["relatedSpdxElement"] for one in found["relationships"]] == ids
    assert DPKG in [one["name"] for one in found["subject"]]
    again = sbom(shared, top, "--source-date-epoch=1700000000", "--no-cache")
    again["told"] = found["told"] = ""
    assert again == found


def test_links_do_not_lead_out(shared: Store, tmp_path: Path) -> None:
    """A database that is a link is that in the image; nothing of this machine is read."""
    outside = lay(tmp_path / "outside", {"status": STATUS.format("outside"), "d/1": STATUS})
    up = "../" * 12
    top = lay(
        tmp_path / "c",
        {
            DPKG: f"->{outside}/status",
            "var/lib/dpkg/status.d": f"->{up}{outside}/d",
            "etc/os-release": "->/proc/self/environ",
            "lib": f"->{up}{outside}",
            "real/rpm/x": "",
            "usr/lib/apk/db/installed": "->loop",
            "usr/lib/apk/db/loop": "->installed",
            f"{SITE}/a.dist-info/METADATA": f"->{outside}/status",
            f"{SITE}/b.egg-info": f"->{outside}/status",
            f"{SITE}/c.dist-info": f"->{outside}",
        },
    )
    found = sbom(shared, top)
    assert purls(found) == []
    lay(top, {f"{str(outside).lstrip('/')}/status": STATUS.format("inside")})
    assert purls(sbom(shared, top)) == ["pkg:deb/debian/inside@1?arch=all"]


DAMAGED = {
    "rpm that is none": (
        {"var/lib/rpm/rpmdb.sqlite": "no database"},
        "sbom: /var/lib/rpm/rpmdb.sqlite cannot be read as an rpm database",
    ),
    "an old rpm": (
        {"var/lib/rpm/Packages": "\0\0\0\0"},
        "sbom: /var/lib/rpm/Packages is an rpm database of an old form, which is not read",
    ),
    "an old rpm of SUSE": (
        {"usr/lib/sysimage/rpm/Packages.db": "RpmP"},
        "Packages.db is an rpm database of an old form",
    ),
    "dpkg that is none": ({DPKG: b"\xff\0" * 5000}, f"sbom: /{DPKG} has no packages in it"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_cannot_be_read_is_one_warning(case: str, shared: Store, tmp_path: Path) -> None:
    files, wanted = DAMAGED[case]
    top = lay(tmp_path / "c", {**files, "lib/apk/db/installed": "P:musl\nV:1\n"})
    found = sbom(shared, top)
    assert purls(found) == ["pkg:apk/alpine/musl@1"]
    assert found["told"].count("sbom:") == 1
    assert wanted in found["told"]


def test_of_the_target_alone(shared: Store, tmp_path: Path) -> None:
    """Of several stages the last one's packages count, as they are in the end; squashed or not."""
    top = lay(tmp_path / "c", {"one": STATUS.format("one"), "two": STATUS.format("two")})
    dockerfile = (
        f"FROM busybox AS made\nCOPY one /{DPKG}\nFROM busybox AS last\nCOPY one /{DPKG}\n"
        f"RUN mkdir /r && echo 1 > /r/x\nCOPY two /{DPKG}\nFROM last AS gone\nRUN rm /{DPKG}\n"
    )
    for words, wanted in {
        (): [],
        ("--target=last",): ["two"],
        ("--target=last", "--squash"): ["two"],
        ("--target=made", "--squash-all"): ["one"],
    }.items():
        names = purls(sbom(shared, top, *words, dockerfile=dockerfile))
        assert names == [f"pkg:deb/debian/{name}@1?arch=all" for name in wanted]


def test_a_file_that_is_there_already(shared: Store, tmp_path: Path) -> None:
    top = lay(tmp_path / "c", {"sbom.spdx.json": "mine"})
    words = ("build", "--sbom=true", "-f", "-", "-o")
    done = shared(*words, f"{tmp_path}/out", str(top), input="FROM scratch\nCOPY . /\n")
    assert done.returncode == 1
    assert "the image has a file /sbom.spdx.json" in done.stderr
    place = f"type=local,dest={tmp_path}/out,attestation-prefix=our-"
    shared.ok(*words, place, str(top), input="FROM scratch\nCOPY . /\n")
    assert (tmp_path / "out/sbom.spdx.json").read_text() == "mine"
    assert json.loads((tmp_path / "out/our-sbom.spdx.json").read_text())["subject"]
