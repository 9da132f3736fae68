"""Why an evaluation cannot run."""


class EvaluationError(ValueError):
    """Base of the errors that end `maquette-server eval`; `code` is stable."""

    code = "evaluation_failed"


class LayoutError(EvaluationError):
    """A dataset does not lie as it was published; the message names the file and what was expected."""

    code = "layout_invalid"


class SettingError(EvaluationError):
    """A setting is unknown to the benchmark, or its value has another type."""

    code = "setting_invalid"


class PackageMissing(EvaluationError):
    """A package that the benchmark needs is not installed."""

    code = "package_missing"


class EngineMissing(EvaluationError):
    """The engine suite has no engine of the kind that the benchmark needs, or it cannot be loaded."""

    code = "engine_unavailable"


class EngineFailing(EvaluationError):
    """Many samples in a row failed: the engine, not a sample, is broken."""

    code = "engine_failing"
