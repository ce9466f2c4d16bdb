"""Names of licenses as databases have them -> expressions of SPDX."""

from __future__ import annotations

import pytest

from rootless.build.attesting.licenses import Licenses

pytestmark = pytest.mark.once

EXPRESSIONS = {
    "": "NOASSERTION",
    "UNKNOWN": "NOASSERTION",
    "x" * 401: "NOASSERTION",
    "MIT": "MIT",
    "mit": "MIT",
    "Expat": "MIT",
    "MIT License": "MIT",
    "GPL-2": "GPL-2.0-only",
    "GPL-2+": "GPL-2.0-or-later",
    "GPLv2+": "GPL-2.0-or-later",
    "GPL-2.0-or-later": "GPL-2.0-or-later",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPLv2+ and MIT": "LGPL-2.0-or-later AND MIT",
    "(GPL-2.0-only OR BSD-3-Clause) AND ISC": "(GPL-2.0-only OR BSD-3-Clause) AND ISC",
    "GPL-3.0-or-later WITH GCC-exception-3.1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "Apache License 2.0": "Apache-2.0",
    "MIT Odd": "LicenseRef-MIT-Odd",
    "MIT AND Odd/One": "MIT AND LicenseRef-Odd-One",
    "GPL-2 with Odd exception": "LicenseRef-GPL-2-with-Odd-exception",
    "(MIT": "LicenseRef-MIT",
    "MIT)": "LicenseRef-MIT",
    "MIT AND": "LicenseRef-MIT-AND",
    "AND": "LicenseRef-AND",
    "((((": "LicenseRef-unnamed",
    "Artistic, and MIT": "Artistic-1.0-Perl AND MIT",
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions(text: str) -> None:
    licenses = Licenses()
    found = licenses.expression(text)
    assert found == EXPRESSIONS[text]
    for word in found.replace("(", " ").replace(")", " ").split():
        assert not word.startswith("LicenseRef-") or word in licenses.references


def test_several_that_all_hold() -> None:
    found = Licenses().all_of(["MIT", "Expat", "GPL-2 or MIT", ""])
    assert found == "(GPL-2.0-only OR MIT) AND MIT"
    assert Licenses().all_of([]) == "NOASSERTION"
