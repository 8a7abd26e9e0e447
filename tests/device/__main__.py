"""Run a program on a GPU that is not there: ``python -m tests.device SCRIPT ARGUMENTS``.

``-m MODULE`` and ``-c CODE`` work as with Python itself. FAKE_CUDA_DEVICES and FAKE_CUDA_MEMORY say
how many devices there are and how many bytes each has.
"""

import os
import sys

from tests.device.runtime import environment, why_absent


def main() -> None:
    """Become the program."""
    if not sys.argv[1:]:
        sys.exit(__doc__)
    if reason := why_absent():
        sys.exit(reason)
    devices = int(os.environ.get("FAKE_CUDA_DEVICES", "1"))
    program = [sys.executable, *sys.argv[1:]]
    os.execve(sys.executable, program, environment(devices=devices))  # noqa: S606


if __name__ == "__main__":
    main()
