"""A limit of the work on schemas that somebody may have made to keep us busy."""


class ExhaustedError(Exception):
    """The work has no end within the budget."""


class Budget:
    """Steps that may still be taken."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            ExhaustedError: there are not so many left.
        """
        self._left -= steps
        if self._left < 0:
            raise ExhaustedError

    def part(self, steps: int) -> "Budget":
        """A budget of at most so many steps, which are taken off this one in advance."""
        granted = max(0, min(steps, self._left))
        self._left -= granted
        return Budget(granted)

    def give_back(self, part: "Budget") -> None:
        """Take back what a part did not spend."""
        self._left += max(0, part._left)
