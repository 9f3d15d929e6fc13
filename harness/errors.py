"""What can go wrong, as one tree.

::

    PocketbenchError            exit 2  it could not be done
    |-- ExperimentError                 bench.yaml or a flag is wrong (the place and the remedy are named)
    |-- SourceError                     the model, or the data that comes with it, cannot be used
    |-- ConversionError                 one build could not be made; the other builds go on
    |-- RunnerError                     one build could not be measured; the other builds go on
    |   `-- RunnerLost                  the device itself is gone
    |-- StoreError                      the run folder cannot be written or read
    `-- ProcessError                    a child process failed
        |-- ProcessTimeout              ... it ran longer than its limit and was killed
        |-- ProcessMemory               ... it used more memory than its limit and was killed
        `-- ProcessCrashed              ... it ended with a signal or an exit code

Every error says what happened, which value, and what to do next. `remedy` stays apart from the message,
so that a row of the report can show the one and the command line both.
"""

from __future__ import annotations

EXIT_PASS = 0
EXIT_GATE_FAILED = 1
EXIT_NOT_DONE = 2
EXIT_NOT_JUDGED = 3


class PocketbenchError(Exception):
    """Anything that pocketbench itself reports; `str(error)` is one line."""

    exit_code = EXIT_NOT_DONE

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ExperimentError(PocketbenchError):
    """bench.yaml or a flag is wrong."""


class SourceError(PocketbenchError):
    """The model, or the data that comes with it, cannot be used."""


class ConversionError(PocketbenchError):
    """One build could not be made."""


class RunnerError(PocketbenchError):
    """One build could not be measured."""


class RunnerLost(RunnerError):
    """The device itself is gone: nothing more can be measured on it."""


class StoreError(PocketbenchError):
    """The run folder cannot be written or read."""


class ProcessError(PocketbenchError):
    """A child process failed; `output_tail` holds the end of what it printed."""

    def __init__(self, message: str, *, remedy: str = "", output_tail: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.output_tail = output_tail


class ProcessTimeout(ProcessError):
    """The child ran longer than its limit and was killed."""


class ProcessMemory(ProcessError):
    """The child used more memory than its limit and was killed."""


class ProcessCrashed(ProcessError):
    """The child ended with a signal or a non-zero exit code."""

    def __init__(self, message: str, *, returncode: int, remedy: str = "", output_tail: str = "") -> None:
        super().__init__(message, remedy=remedy, output_tail=output_tail)
        self.returncode = returncode
