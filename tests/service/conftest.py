"""What tests of the gateway share."""

from tests.support.gateway import application, gateway, state, stranger, tenant

__all__ = ["application", "gateway", "state", "stranger", "tenant"]
