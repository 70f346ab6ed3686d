"""Scripts in processes of their own: what could hang, die or take a signal never does so to the test run."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PRELUDE = """
import os, signal, sys, threading, time
if hasattr(signal, "SIGALRM"):
    signal.alarm({patience})  # whoever waits for this process may be gone by then
signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may ignore it: nohup make test &

def interrupt_after(seconds):
    # The list holds the time of the signal once it is sent.
    sent = []
    def send():
        time.sleep(seconds)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=send, daemon=True).start()
    return sent
"""

PROMPT = 5.0
"""Seconds after which Ctrl-C counts as unheard: ten times what is promised on an idle machine.

The calls it is tried on would go on for minutes.
"""


def run_script(code, *, timeout=100, sigint_ignored=False):
    """Output of a Python script run in a fresh process; fails loudly on a hang or a bad exit."""

    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    child = subprocess.Popen(
        [sys.executable, "-c", PRELUDE.format(patience=timeout + 10) + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=ignore if sigint_ignored else None,
    )
    try:
        out, errors = child.communicate(timeout=timeout)
    except BaseException:
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)  # and whatever it forked
        child.communicate()
        raise
    assert child.returncode == 0, f"exit status {child.returncode}\n{errors}"
    return out


def delays_of_ctrl_c(setup, call):
    """How much of a call is still done after a Ctrl-C at a tenth, three tenths and half of it, as a share of the whole.

    In processor time, of which a busy machine gives less: what is left of the call must not be done any more. A call
    that ends as if nothing had happened gives inf.
    """
    out = run_script(
        f"""
import numpy as np, hardmine as hm
from hardmine import _native
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
rng = np.random.default_rng(0)
{setup}
start = time.process_time()
{call}
whole = time.process_time() - start
for share in (0.1, 0.3, 0.5):
    start, sent = time.process_time(), []
    def interrupt():
        while time.process_time() < start + share * whole:
            time.sleep(0.002)
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Thread(target=interrupt)
    timer.start()
    try:
        {call}
        timer.join()
        time.sleep(5)
        print("inf")
    except KeyboardInterrupt:
        print((time.process_time() - sent[0]) / whole)
assert hm.draw(np.zeros((1, 1)), 1, seed=0).tolist() == [[0]]
""",
        timeout=100,
    )
    return [float(line) for line in out.split()]
