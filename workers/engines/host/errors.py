"""Why a hosted engine did not answer."""


class HostError(RuntimeError):
    """A hosted engine did not answer; `engine` is its name."""

    def __init__(self, engine: str, detail: str) -> None:
        super().__init__(f"{engine}: {detail}")
        self.engine = engine


class HostTimeout(HostError):
    """The answer took too long; the child and all its descendants were killed."""


class HostCrashed(HostError):
    """The child ended during a request; the message has the end of its stderr."""


class HostGarbled(HostError):
    """The child answered with something that is not a message; it was killed."""


class HostRefused(HostError):
    """The child reported an error: `code` is stable, `fatal` means that the child was replaced."""

    def __init__(self, engine: str, code: str, detail: str, *, fatal: bool = False) -> None:
        super().__init__(engine, f"{code}: {detail}")
        self.code = code
        self.fatal = fatal


class ArraysGarbled(ValueError):
    """The bytes of arrays and their descriptions do not match."""
