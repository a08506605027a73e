from .info import CaptureInfo
from .levels import Levels, player_levels
from .names import is_capture
from .reading import open_capture
from .writing import write_capture

__all__ = ["CaptureInfo", "Levels", "is_capture", "open_capture", "player_levels", "write_capture"]
