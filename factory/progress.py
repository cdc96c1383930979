"""How far a run is: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from types import TracebackType
from typing import Any, TextIO

_SECONDS_A_LINE = 30.0


class Progress:
    """Counts samples, or what unit names, from those that stood already to all. Use as a context
    manager.

    Samples that stood count as done, not in the rate. Writes to standard error, so that what a
    command reports on standard output stays clean; show=False writes nothing.
    """

    def __init__(
        self,
        total: int,
        finished: int = 0,
        show: bool = True,
        stream: TextIO | None = None,
        activity: str = "rendering",
        unit: str = "samples",
    ) -> None:
        self.total = total
        self.finished = finished
        self.count = finished
        self.show = show
        self.activity, self.unit = activity, unit
        self.stream = stream or sys.stderr
        self.begun = time.monotonic()
        self._last_line = self.begun
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        if self.show and self.stream.isatty():
            self._bar = _bar(self.stream)
            self._task = self._bar.add_task(
                self.activity, total=self.total, completed=self.finished
            )
            self._bar.start()
        elif self.show:
            self._say(self.first_line())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self.show and self.count > self.finished:
            self._say(self.line())

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def advance(self, samples: int) -> None:
        self.count += samples
        if self._bar is not None:
            self._bar.update(self._task, completed=self.count)
        elif self.show and time.monotonic() - self._last_line > _SECONDS_A_LINE:
            self._last_line = time.monotonic()
            self._say(self.line())

    def note(self, text: str) -> None:
        """Say something without disturbing the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        elif self.show:
            self._say(text)

    def first_line(self) -> str:
        if self.unit == "samples":
            return f"{self.finished} of {self.total} samples stand already"
        return f"{self.activity} {self.total} {self.unit}"

    def line(self) -> str:
        rate = (self.count - self.finished) / max(self.seconds, 1e-9)
        left = f", {_clock((self.total - self.count) / rate)} left" if rate > 0 else ""
        return f"{self.count} of {self.total} {self.unit}, {60 * rate:.1f} a minute{left}"

    def _say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


def _bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{60 * speed:.1f} a minute")

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(file=stream),
        speed_estimate_period=600,
    )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
