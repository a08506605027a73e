"""What a server allows."""

from pydantic import Field

from vocoders.core.config import Config

__all__ = ["Limits"]


class Limits(Config):
    """Limits of a server; whoever exceeds one gets an error, and the others notice nothing.

    Attributes:
        clients: streams and files at the same time.
        seconds: length of a stream or a file.
        message_bytes: length of a message, and of the body of a request.
        idle_seconds: time after which a client that sends nothing, or takes no audio, is left.
    """

    clients: int = Field(default=10, ge=1)
    seconds: float = Field(default=3600.0, gt=0)
    message_bytes: int = Field(default=64 << 20, ge=1024)
    idle_seconds: float = Field(default=30.0, gt=0)
