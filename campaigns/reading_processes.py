"""One long reading shared among processes: Python uses one core a process, and that is what an import waits for.

Processes are forked, so that they read with the rules, communes and known lines of the one that started them, without
being sent them. A Celery worker may not have children of ``multiprocessing``, hence ``os.fork``.
"""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, TypeVar

_STANDARD = 3  # input, output, errors
T = TypeVar("T")


class ReadingStopped(Exception):
    """A reading process ended before its time (killed, or out of memory)."""


@contextmanager
def shared_reading(read: Callable[[int, int], Iterator[T]], processes: int) -> Iterator[Iterator[T]]:
    """What ``read(turn, processes)`` yields for each turn, one of each in turn; in this process when it is alone.

    Processes start at once, before this one opens anything else, and wait for each of their results to be taken: what
    is held is bounded. What ``read`` raises is raised here; ``ReadingStopped`` when a process says nothing any more.
    """
    if processes == 1:
        yield read(0, 1)
        return
    children: dict[int, Connection] = {}
    try:
        for turn in range(processes):
            children.update([_fork(read, turn, processes)])
        yield _take_in_turn(list(children.values()))
    finally:
        for pid, receiver in children.items():
            receiver.close()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _take_in_turn(receivers: list[Connection]) -> Iterator[Any]:
    while receivers:
        for receiver in list(receivers):
            try:
                is_over, result = receiver.recv()
            except EOFError:
                raise ReadingStopped from None
            if isinstance(result, BaseException):
                raise result
            if is_over:
                receivers.remove(receiver)
            else:
                yield result


def _fork(read: Callable[[int, int], Iterator[Any]], turn: int, processes: int) -> tuple[int, Connection]:
    receiver, sender = Pipe(duplex=False)
    if pid := os.fork():
        sender.close()
        return pid, receiver
    try:
        _serve(read(turn, processes), sender)
    finally:
        os._exit(0)  # neither the database nor the broker of the other process is taken leave of


def _serve(results: Iterator[Any], sender: Connection) -> None:
    """In the child. It keeps nothing open of its parent: a parent that dies is then seen dead by its database, and by
    this process, which can no longer write to it."""
    _close_all_but(sender.fileno())
    gc.freeze()  # memory stays shared
    try:
        for result in results:
            sender.send((False, result))
        sender.send((True, None))
    except BrokenPipeError:
        return
    except Exception as failure:  # raised where the results are awaited
        sender.send((True, failure))


def _close_all_but(kept: int) -> None:
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor >= _STANDARD and descriptor != kept:
            with suppress(OSError):  # that of the list itself
                os.close(descriptor)
