"""Measures of stages that fail or hang, for processes of their own."""

import os
import signal
import subprocess
import sys
import time


def good(value):
    print("a library prints to the standard output")
    yield {"value": value}
    yield {"value": 2 * value}


def failing():
    yield {"value": 1}
    raise RuntimeError("out of luck\nand more")


def aborting():
    yield {"value": 1}
    print("CHECK failed: luck > 0", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGABRT)


def hanging():
    child = subprocess.Popen(["sleep", "600"])
    yield {"child": child.pid}
    time.sleep(600)
