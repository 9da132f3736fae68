"""The queue: Celery over Redis or Valkey carries job ids only and wakes workers."""

import secrets

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from storage.publish_transport import Transport

TASK = "maquette.run"
# what publishing raises when the queue is away
UNREACHABLE = (OperationalError, RedisError, OSError)
DEFAULT_QUEUE = "default"


def make_app(url: str, *, publishes_only: bool = False) -> Celery:
    """The Celery application that the gateway publishes with and that workers run."""
    app = Celery("maquette", broker=url)
    if publishes_only and url.startswith(("redis://", "rediss://")):
        app.conf.broker_transport = Transport
    app.conf.update(
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        # the ledger redelivers; Celery's own redelivery would only double work
        task_acks_late=False,
        task_default_queue=DEFAULT_QUEUE,
        worker_prefetch_multiplier=1,
        worker_pool_start_method="spawn",
        worker_proc_alive_timeout=180,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        broker_pool_limit=4,
        broker_transport_options={
            "socket_connect_timeout": 2,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "visibility_timeout": 7 * 86_400,
        },
        task_create_missing_queues=True,
    )
    return app


def take_message(app: Celery, queue: str) -> bool:
    """Remove one message from a queue; False when it has none. Raises one of UNREACHABLE.

    For a worker that claims a job beside the one that its message stood for: messages would pile up.
    """
    with app.connection_or_acquire() as connection:
        return connection.default_channel.basic_get(queue, no_ack=True) is not None


def publish(app: Celery, job_id: str, queue: str, timeout_seconds: int) -> None:
    """Announce a job to the queue; raises at once when the queue cannot be reached.

    Each message has an id of its own: a worker discards an id that was once revoked.
    """
    app.send_task(TASK, args=[job_id], queue=queue, task_id=f"{job_id}.{secrets.token_hex(4)}", retry=False)
