"""Mount options as words: flags, attributes, propagation, and the rest for the file system."""

from __future__ import annotations

from rootless.linux import mount as m

FLAGS = {
    # word -> (flag, whether the word sets it)
    "ro": (m.MS_RDONLY, True),
    "rw": (m.MS_RDONLY, False),
    "nosuid": (m.MS_NOSUID, True),
    "suid": (m.MS_NOSUID, False),
    "nodev": (m.MS_NODEV, True),
    "dev": (m.MS_NODEV, False),
    "noexec": (m.MS_NOEXEC, True),
    "exec": (m.MS_NOEXEC, False),
    "sync": (m.MS_SYNCHRONOUS, True),
    "async": (m.MS_SYNCHRONOUS, False),
    "noatime": (m.MS_NOATIME, True),
    "atime": (m.MS_NOATIME, False),
    "nodiratime": (m.MS_NODIRATIME, True),
    "relatime": (m.MS_RELATIME, True),
    "strictatime": (m.MS_STRICTATIME, True),
}
"""mount(8), "filesystem-independent mount options"; the OCI runtime specification takes them."""

PROPAGATION = {
    "private": m.MS_PRIVATE,
    "rprivate": m.MS_PRIVATE | m.MS_REC,
    "slave": m.MS_SLAVE,
    "rslave": m.MS_SLAVE | m.MS_REC,
    "shared": m.MS_SHARED,
    "rshared": m.MS_SHARED | m.MS_REC,
    "unbindable": m.MS_UNBINDABLE,
    "runbindable": m.MS_UNBINDABLE | m.MS_REC,
}

_ATTRIBUTES = {
    m.MS_RDONLY: m.MOUNT_ATTR_RDONLY,
    m.MS_NOSUID: m.MOUNT_ATTR_NOSUID,
    m.MS_NODEV: m.MOUNT_ATTR_NODEV,
    m.MS_NOEXEC: m.MOUNT_ATTR_NOEXEC,
}


class Options:
    """Options of one mount, sorted by who reads them."""

    def __init__(self, words: list[str]) -> None:
        self.flags = 0
        self.propagation = 0
        self.recursive = False
        self.tmpcopyup = False
        data = []
        for word in words:
            if word in FLAGS:
                flag, sets = FLAGS[word]
                self.flags = self.flags | flag if sets else self.flags & ~flag
            elif word in PROPAGATION:
                self.propagation = PROPAGATION[word]
            elif word in ("bind", "rbind"):
                self.recursive = word == "rbind"
            elif word == "tmpcopyup":
                self.tmpcopyup = True
            elif word:
                data.append(word)
        self.data = ",".join(data)

    @property
    def attributes(self) -> int:
        """The flags as mount_setattr(2) wants them; those it has no attribute for are left out."""
        return sum(attribute for flag, attribute in _ATTRIBUTES.items() if self.flags & flag)
