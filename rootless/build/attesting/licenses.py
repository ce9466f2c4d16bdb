"""Licenses as package databases name them -> expressions of SPDX.

What has a name of SPDX gets it; any other becomes a LicenseRef, of which the document has to say
what it stands for.
"""

from __future__ import annotations

import re

_KNOWN = (
    *("0BSD", "AFL-2.1", "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-1.1"),
    *("Apache-2.0", "Artistic-1.0", "Artistic-1.0-Perl", "Artistic-2.0", "BSD-1-Clause"),
    *("BSD-2-Clause", "BSD-2-Clause-Patent", "BSD-3-Clause", "BSD-4-Clause", "BSD-4-Clause-UC"),
    *("BSL-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0", "CDDL-1.0"),
    *("CECILL-2.1", "ClArtistic", "CNRI-Python", "curl", "EPL-1.0", "EPL-2.0", "EUPL-1.2", "FSFAP"),
    *("FSFUL", "FSFULLR", "FTL", "GFDL-1.1-or-later", "GFDL-1.2-only", "GFDL-1.2-or-later"),
    *("GFDL-1.3-only", "GFDL-1.3-or-later", "GPL-1.0-only", "GPL-1.0-or-later", "GPL-2.0-only"),
    *("GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "HPND", "HPND-sell-variant", "ICU"),
    *("IJG", "Info-ZIP", "Intel", "IPL-1.0", "ISC", "JSON", "LGPL-2.0-only", "LGPL-2.0-or-later"),
    *("LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "libpng-2.0"),
    *("Libpng", "libtiff", "LPPL-1.3c", "MIT", "MIT-0", "MirOS", "MPL-1.1", "MPL-2.0", "MS-PL"),
    *("MulanPSL-2.0", "NCSA", "NTP", "OFL-1.1", "OLDAP-2.8", "OpenSSL", "PHP-3.01", "PostgreSQL"),
    *("PSF-2.0", "Python-2.0", "Python-2.0.1", "QPL-1.0", "Ruby", "Sendmail", "SISSL", "Sleepycat"),
    *(
        "SMLNJ",
        "SSH-OpenSSH",
        "SSH-short",
        "TCL",
        "TCP-wrappers",
        "TMate",
        "UPL-1.0",
        "Unicode-3.0",
    ),
    *(
        "Unicode-DFS-2016",
        "Unlicense",
        "Vim",
        "W3C",
        "WTFPL",
        "X11",
        "Zlib",
        "zlib-acknowledgement",
    ),
    *("ZPL-2.1", "bzip2-1.0.6", "MIT-CMU", "LGPL-2.0-or-later", "Xfig", "ZPL-2.0", "blessing"),
    "zlib-acknowledgement",
)
_EXCEPTIONS = (
    *("Autoconf-exception-2.0", "Autoconf-exception-3.0", "Bison-exception-2.2"),
    *("Classpath-exception-2.0", "Font-exception-2.0", "GCC-exception-2.0", "GCC-exception-3.1"),
    *("GPL-3.0-linking-exception", "Linux-syscall-note", "LLVM-exception", "OpenSSL-exception"),
    *("openvpn-openssl-exception", "Libtool-exception", "cryptsetup-OpenSSL-exception"),
)
_OTHERS = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "asl 2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "boost": "BSL-1.0",
    "bsd-2-clause-netbsd": "BSD-2-Clause",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "mit license": "MIT",
    "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mplv2.0": "MPL-2.0",
    "psf": "PSF-2.0",
    "psf-2": "PSF-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "public-domain": "",
    "zlib": "Zlib",
}
"""Names of Debian, Fedora and Python in small letters. Empty for what is a name of nobody."""

_IDS = {one.lower(): one for one in _KNOWN}
_WITH = {one.lower(): one for one in _EXCEPTIONS}
_GNU = re.compile(r"(A?GPL|LGPL|GFDL)[- ]?v?(\d(?:\.\d)?)(\+|-only|-or-later)?", re.IGNORECASE)
_TOKEN = re.compile(r"\(|\)|[^\s(),]+")
_OPERATORS = {"and": "AND", "or": "OR", "with": "WITH"}
_LONGEST = 400
"""Characters of a text that can be an expression; longer ones are licenses themselves."""


class Licenses:
    """The licenses of one document: `references` are those that it has to explain."""

    def __init__(self) -> None:
        self.references: dict[str, str] = {}
        """LicenseRef -> the name that it stands for."""

    def expression(self, text: str) -> str:
        """Return the expression that a text is; NOASSERTION for none, and for what is too long."""
        text = " ".join(text.split())
        if not text or len(text) > _LONGEST or text.lower() in ("unknown", "none", "noassertion"):
            return "NOASSERTION"
        if (whole := _name(text)) is not None:
            return whole or self._reference(text)
        words = _TOKEN.findall(text)
        found: list[str] = []
        for word in words:
            lower = word.lower()
            if word in "()" or lower in _OPERATORS:
                found.append(_OPERATORS.get(lower, word))
            elif found and found[-1] == "WITH":
                found.append(_WITH.get(lower, ""))
            else:
                found.append(_name(word) or self._reference(word))
        return _joined(found) if _is_sound(found) else self._reference(text)

    def all_of(self, names: list[str]) -> str:
        """Return the expression for a package that has parts of several licenses."""
        found = {self.expression(name) for name in names} - {"NOASSERTION"}
        several = [f"({one})" if " OR " in one and len(found) > 1 else one for one in sorted(found)]
        return " AND ".join(several) or "NOASSERTION"

    def _reference(self, name: str) -> str:
        bare = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")[:80] or "unnamed"
        reference = f"LicenseRef-{bare}"
        self.references.setdefault(reference, name)
        return reference


def _name(text: str) -> str | None:
    """Return SPDX's name of one license; None where a text is no name that is known."""
    lower = text.lower()
    if lower in _IDS:
        return _IDS[lower]
    if lower in _OTHERS:
        return _OTHERS[lower]
    if match := _GNU.fullmatch(text):
        kind, version, later = match.groups()
        version = version if "." in version else f"{version}.0"
        suffix = "-or-later" if later in ("+", "-or-later") else "-only"
        return _IDS.get(f"{kind}-{version}{suffix}".lower())
    return None


def _is_sound(words: list[str]) -> bool:
    """Whether names and operators take turns, and what is opened is closed."""
    depth, wants_name = 0, True
    for number, word in enumerate(words):
        if not word:
            return False  # an exception that is not known
        if word == "(":
            depth += 1
            if not wants_name:
                return False
        elif word == ")":
            depth -= 1
            if wants_name or depth < 0:
                return False
        elif word in _OPERATORS.values():
            if wants_name or (word == "WITH" and words[number - 1] == ")"):
                return False
            wants_name = True
        elif not wants_name:
            return False
        else:
            wants_name = False
    return not wants_name and not depth


def _joined(words: list[str]) -> str:
    return " ".join(words).replace("( ", "(").replace(" )", ")")
