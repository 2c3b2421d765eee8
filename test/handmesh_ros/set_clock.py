"""A clock that tests set."""


class Clock:
    """Seconds, when called."""

    now = 100.0

    def __call__(self):
        return self.now
