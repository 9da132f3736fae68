"""Why a hosted engine gave no answer."""


class HostError(RuntimeError):
    """A hosted engine gave no answer; `engine` is its name."""

    def __init__(self, engine: str, detail: str) -> None:
        super().__init__(f"{engine}: {detail}")
        self.engine = engine


class HostTimeout(HostError):
    """The answer took too long; the child and all it started were killed."""


class HostCrashed(HostError):
    """The child ended while it worked; the message carries the end of its stderr."""


class HostGarbled(HostError):
    """The child answered with something that is no message; it was killed."""


class HostRefused(HostError):
    """The child answered with an error of its own: `code` is stable, `fatal` means it was replaced."""

    def __init__(self, engine: str, code: str, detail: str, *, fatal: bool = False) -> None:
        super().__init__(engine, f"{code}: {detail}")
        self.code = code
        self.fatal = fatal


class ArraysGarbled(ValueError):
    """Bytes and their description do not fit each other."""
