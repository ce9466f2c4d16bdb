"""Run a command below a seccomp filter: denied.py ERRNO CALL,CALL,... COMMAND [ARGUMENT...]"""

from __future__ import annotations

import errno
import os
import sys

import pyseccomp

code = getattr(errno, sys.argv[1])
filters = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in sys.argv[2].split(","):
    filters.add_rule(pyseccomp.ERRNO(code), name)
filters.load()
os.execvp(sys.argv[3], sys.argv[3:])
