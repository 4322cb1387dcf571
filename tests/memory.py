"""What memory a piece of work takes: the peak of this process, and what those that it starts hold for themselves."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

_MIB = 1024  # the system counts by KiB
_PAUSE = 0.25  # asking what a process shares holds it up for some milliseconds


@dataclass
class Memory:
    """In MiB. ``growth`` is known once the work is over."""

    before: float
    growth: float = 0


@contextmanager
def watched_memory() -> Iterator[Memory]:
    """Around the work. Its children are looked at four times a second, itself is asked for its peak."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    memory, is_over, of_children = Memory(_status("VmRSS")), Event(), [0.0]
    watcher = Thread(target=_watch_children, args=(is_over, of_children), daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        is_over.set()
        watcher.join()
        memory.growth = _status("VmHWM") - memory.before + max(of_children)


def _watch_children(is_over: Event, seen: list[float]) -> None:
    while not is_over.wait(_PAUSE):
        seen.append(sum(map(_private, children())))


def children() -> list[str]:
    """The processes that this one started and that are still there."""
    return [pid for task in Path("/proc/self/task").iterdir() for pid in _children_of(task)]


def _children_of(task: Path) -> list[str]:
    with suppress(FileNotFoundError):  # the thread has just ended
        return (task / "children").read_text().split()
    return []


def _private(pid: str) -> float:
    """What a process shares with no other; nothing once it is gone."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return sum(map(int, re.findall(r"Private_(?:Clean|Dirty): +(\d+)", text))) / _MIB
    return 0


def _status(figure: str) -> float:
    return int(Path("/proc/self/status").read_text().partition(f"{figure}:")[2].split()[0]) / _MIB
