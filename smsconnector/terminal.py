"""Lines on a terminal, or on whatever stands for it: a pipe, the log of a CI job."""

import os
import sys


def say(line: str) -> None:
    """Print a line at once. Characters that the terminal's encoding has not become question marks. If the reader of a
    pipe has gone, the output is dropped from then on."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(line.encode(encoding, "replace").decode(encoding), flush=True)
    except BrokenPipeError:
        drop_output()


def drop_output() -> None:
    """The reader of the pipe has gone: what is printed from now on, and what still waits to be written, is dropped."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
