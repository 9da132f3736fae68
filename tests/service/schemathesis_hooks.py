"""What schemathesis does not know by itself: the bytes that tus appends have a media type of their own."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
