"""An S3 store for tests: moto in server mode."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_s3(bucket: str) -> Iterator[str]:
    """The endpoint of a store with one empty bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
    endpoint = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=bucket)
    try:
        yield endpoint
    finally:
        server.stop()
