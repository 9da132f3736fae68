"""The base of every wire model: unknown fields are an error, never ignored."""

from pydantic import BaseModel, ConfigDict


class RequestModel(BaseModel):
    """A model of the contract: strict about names, finite about numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null")


class ResponseModel(BaseModel):
    """A model the service sends: clients ignore fields that a newer service adds."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
