"""What can be wrong with a dataset, with stable codes."""


class DatasetError(Exception):
    """Codes: dataset_missing, dataset_broken, dataset_unsigned, dataset_conflict, dataset_incompatible,
    format_unknown, option_unknown, option_invalid, depth_mismatch, depth_implausible, cameras_mismatch,
    actions_mismatch, action_types_unknown, extra_missing, plugin_unknown, captions_mismatch,
    all_clips_failed.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
