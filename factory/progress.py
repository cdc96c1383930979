"""Show the progress of a run: a bar on a terminal, or a plain line every 30 s in a log."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_SECONDS_A_LINE = 30.0


class Progress:
    """Counts finished samples and shows the count. Use it as a context manager.

    It writes to standard error, so that standard output has only the report of a command.

    Args:
        total: How many samples there are.
        finished: How many were finished before; they do not count in the rate.
        show: Whether anything is written.
        stream: Where to write instead of standard error.
        activity: What is done to the samples, in the -ing form.
        unit: What is counted if not samples, in the plural.
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
        self._bar: Bar | None = None

    def __enter__(self) -> "Progress":
        if self.show and self.stream.isatty():
            self._bar = _make_bar(self.stream)
            self._task = self._bar.add_task(
                self.activity, total=self.total, completed=self.finished
            )
            self._bar.start()
        elif self.show:
            self._print(self.first_line())
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
            self._print(self.line())

    @property
    def seconds(self) -> float:
        """The time since the progress was created."""
        return time.monotonic() - self.begun

    def advance(self, samples: int) -> None:
        """Count samples that have just been finished."""
        self.count += samples
        if self._bar is not None:
            self._bar.update(self._task, completed=self.count)
        elif self.show and time.monotonic() - self._last_line > _SECONDS_A_LINE:
            self._last_line = time.monotonic()
            self._print(self.line())

    def note(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        elif self.show:
            self._print(text)

    def first_line(self) -> str:
        """Return the line that a log starts with."""
        if self.unit == "samples":
            return f"{self.finished} of {self.total} samples stand already"
        return f"{self.activity} {self.total} {self.unit}"

    def line(self) -> str:
        """Return the counts, the rate and the time that remains, as one line."""
        rate = (self.count - self.finished) / max(self.seconds, 1e-9)
        remaining = f", {_clock_text((self.total - self.count) / rate)} left" if rate > 0 else ""
        return f"{self.count} of {self.total} {self.unit}, {60 * rate:.1f} a minute{remaining}"

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


def _make_bar(stream: TextIO) -> "Bar":
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


def _clock_text(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
