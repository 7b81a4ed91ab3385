"""Everything kappa_flow refuses, said as value, reason and remedy on one line."""

from __future__ import annotations


class KappaFlowError(Exception):
    """Base of all errors this package raises on purpose.

    Parameters
    ----------
    value : str
        What was found: a path, a key, a number.
    reason : str
        Why it cannot be used.
    remedy : str
        What to do about it.
    """

    exit_code = 1

    def __init__(self, value: str, reason: str, remedy: str) -> None:
        super().__init__(value, reason, remedy)
        self.value = value
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the one line a user sees."""
        reason, remedy = (
            text if text.endswith((".", "!", "?")) else f"{text}." for text in (self.reason, self.remedy)
        )
        return " ".join(f"{self.value}: {reason} {remedy}".split())


class InputError(KappaFlowError):
    """The input cannot be used as given (exit code 2)."""

    exit_code = 2


class WorkError(KappaFlowError):
    """The input was good, the work on it failed (exit code 1)."""

    exit_code = 1


class NotConvergedError(WorkError):
    """A calculation did not reach its accuracy, whatever was tried: the answer is not used."""
