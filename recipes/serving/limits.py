"""What a server allows."""

from pydantic import Field

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.core.options import SynthesisOptions

__all__ = ["Limits", "check_effort"]


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


def check_effort(options: SynthesisOptions) -> None:
    """Refuse counts of steps or iterations beyond their dials: one client would hold a thread for hours.

    Raises:
        ConfigError: for the first such count.
    """
    for option in options.declared():
        count = getattr(options, option.name)
        if option.kind == "integer" and option.dial is not None and count is not None and count > option.dial[1]:
            raise ConfigError(f"{option.name} {count}; this server takes {option.dial[0]:g} to {option.dial[1]:g}")
